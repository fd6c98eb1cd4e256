# SPDX-License-Identifier: Apache-2.0
"""conf/prometheus and conf/grafana: what promtool says of them, and each of their expressions in a real Prometheus that scrapes a real run of httpd and
daemon with the traffic that makes every series. Grafana itself is not in Debian; the dashboard is held against what Grafana's schema wants of it."""
import json
import re
import subprocess
import sys

import pytest
import yaml

from guide_parts import commands
from harness import SOURCE, paths, wait_until
from harness.issuer import Key
from harness.rpc import call_tool
from receivers import SyslogServer
from test_docs import METRIC_ROWS, builtin_alerts

PROMETHEUS, GRAFANA = SOURCE / "conf/prometheus", SOURCE / "conf/grafana"
RULES = PROMETHEUS / "mcpauth.rules.yml"
[GROUP] = yaml.safe_load(RULES.read_text())["groups"]
RECORDS = {rule["record"]: rule["expr"] for rule in GROUP["rules"] if "record" in rule}
ALERTS = {rule["alert"]: rule for rule in GROUP["rules"] if "alert" in rule}
CASES = yaml.safe_load((PROMETHEUS / "mcpauth.rules.test.yml").read_text())["tests"]
DASHBOARD = json.loads((GRAFANA / "mcpauth.json").read_text())
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}
# As Grafana fills them in for "All" and a short range.
QUERIES = {f"{title}, {target['refId']}": target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$location", ".*")
           for title, panel in PANELS.items() for target in panel["targets"]}


def promtool(*arguments):
    return subprocess.run([paths.need("promtool"), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60 * paths.PATIENCE, check=False)


# -- the files by themselves ----------------------------------------------------------------------------------------------------------------------


def test_promtool_takes_the_rules_and_the_scrape_configuration(tmp_path):
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0 and f"{len(RECORDS) + len(ALERTS)} rules found" in done.stdout, done.stdout
    config = tmp_path / "prometheus.yml"
    config.write_text((PROMETHEUS / "scrape.yml").read_text().replace("/etc/prometheus", str(PROMETHEUS)))
    done = promtool("check", "config", config)
    assert done.returncode == 0 and "1 rule files found" in done.stdout, done.stdout


def test_every_alert_fires_for_whom_it_should_and_for_nobody_else():
    done = promtool("test", "rules", PROMETHEUS / "mcpauth.rules.test.yml")
    assert done.returncode == 0, done.stdout


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    fires = {(case["name"], bool(one["exp_alerts"])) for case in CASES for one in case["alert_rule_test"] if one["alertname"] == case["name"]}
    assert fires == {(name, outcome) for name in ALERTS for outcome in (True, False)} and len(CASES) == len(ALERTS)


def test_every_alert_says_how_bad_what_and_where_to_read_on():
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in ("warning", "critical", "{{ $labels.severity }}"), name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"} and all(rule["annotations"].values()), name
        anchor = "{{ $labels.name }}" if name == "McpauthDaemonAlert" else name.lower()
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{anchor}"


def test_the_dashboard_is_what_its_table_makes():
    made = subprocess.run([sys.executable, "-B", GRAFANA / "make.py"], stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    assert made == (GRAFANA / "mcpauth.json").read_text(), "conf/grafana/make.py >conf/grafana/mcpauth.json"


def test_the_dashboard_can_be_laid_out():
    """Numbers that are each panel's own, places that do not overlap, a unit each, and only variables that are declared."""
    panels = DASHBOARD["panels"]
    assert len({p["id"] for p in panels}) == len(panels) and len(PANELS) == sum(p["type"] != "row" for p in panels) > 30
    taken = [(x, y) for p in panels for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"]) for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])]
    assert len(set(taken)) == len(taken) and max(x for x, _ in taken) < 24
    declared = {variable["name"] for variable in DASHBOARD["templating"]["list"]} | {"__rate_interval"}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD).replace("$__all", ""))) == declared
    for title, panel in PANELS.items():
        assert panel["fieldConfig"]["defaults"]["unit"] and panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None, title
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert shown <= (labels_of(target["expr"]) | {"instance", "name"} if shown else shown), title


# As a distribution's: both lists are there, and neither may be there twice.
USED = "global:\n  scrape_interval: 15s\nrule_files:\n  # - first.yml\nscrape_configs:\n  - job_name: prometheus\n    static_configs:\n      - targets: ['localhost:9090']\n"


def put_in(used, snippet):
    """The snippet's lines, each below the list of the same name."""
    for name, lines in re.findall(r"^(\w+):\n((?:(?: .*)?\n)+)", snippet, re.M):
        used = used.replace(f"{name}:\n", f"{name}:\n{lines}")
    return used


def test_what_the_page_types_gives_a_used_prometheus_the_job_and_rules_with_links(tmp_path):
    snippet = (PROMETHEUS / "scrape.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(put_in(USED, snippet).replace("/etc/prometheus", str(tmp_path)))
    block = next(block for block in commands("metrics.md") if "sed" in block[0])
    assert "promtool check config /etc/prometheus/prometheus.yml" in block
    for line in block:
        for told, here in (("/usr/share/mcpauth/prometheus", str(PROMETHEUS)), ("/etc/prometheus", str(tmp_path))):
            line = line.replace(told, here)
        done = subprocess.run(["/bin/sh", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60 * paths.PATIENCE, check=False)
        assert done.returncode == 0 and ("check config" not in line or "1 rule files found" in done.stdout), done.stdout
    config = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    assert [job["job_name"] for job in config["scrape_configs"]] == ["mcpauth", "prometheus"] and config["rule_files"] == [str(tmp_path / RULES.name)]
    [group] = yaml.safe_load((tmp_path / RULES.name).read_text())["groups"]
    rules = [rule for rule in group["rules"] if "alert" in rule]
    assert rules and all(rule["annotations"]["runbook_url"].startswith("https://wiki.example.org/mcpauth/runbooks.md#") for rule in rules)


# -- names ----------------------------------------------------------------------------------------------------------------------------------------

WORDS = {"by", "on", "and", "or", "unless", "without", "ignoring", "bool", "offset", "group_left", "group_right"}
LISTS = r"\b(?:by|on|without|ignoring|group_left|group_right) *\(([^)]*)\)"


def labels_of(expression):
    """Those in matchers and in lists."""
    matched = {label for matchers in re.findall(r"\{([^}]*)\}", expression) for label in re.findall(r'(\w+) *(?:=~|!~|!=|=)', re.sub(r'"[^"]*"', '""', matchers))}
    return matched | {label.strip() for names in re.findall(LISTS, expression) for label in names.split(",")}


def metrics_of(expression):
    """Every word that is no function, no keyword, no label and no duration."""
    bare = re.sub(LISTS, " ", re.sub(r"\{[^}]*\}|\[[^]]*\]", "", expression))
    return {word for word in re.findall(r"(?<![\w:.])[a-zA-Z_][\w:]*(?![\w:]| *\()", bare) if word not in WORDS}


EXPRESSIONS = {**RECORDS, **{name: rule["expr"] for name, rule in ALERTS.items()}, **QUERIES,
               **{v["name"]: re.fullmatch(r"label_values\((.*), \w+\)", v["definition"]).group(1).replace("$instance", ".*") for v in DASHBOARD["templating"]["list"] if "definition" in v}}


def test_the_words_of_expressions_are_found():
    assert metrics_of('sum by (job, le) (rate(a_b{x=~"y|or"}[5m])) or 0 * lv:a:rate5m and on (z) 1.5e3 > c') == {"a_b", "lv:a:rate5m", "c"}
    assert labels_of('sum by (job, le) (a{x=~"y=1", z!="u"}) and on (q) b') == {"job", "le", "x", "z", "q"}
    assert all(metrics_of(expression) for expression in EXPRESSIONS.values())


def known(name):
    """The labels that a metric may have, by what is documented; None when it is none of ours."""
    rows = {row: set(labels) for row, _, labels, _ in METRIC_ROWS}
    family = re.sub(r"_(bucket|sum|count)$", "", name)
    if name in RECORDS or name == "up":
        return {"job"} | ({"instance"} if name == "up" or name.startswith("instance") else set())
    if name == "ALERTS":
        return {"job", "alertname", "alertstate"}
    return {"job", "instance"} | rows[family] | ({"le"} if name.endswith("_bucket") else set()) if family in rows else None


def test_only_what_is_documented_is_asked_for():
    """With the labels that it has: in words first, in a scrape below."""
    for what, expression in EXPRESSIONS.items():
        assert all(known(name) for name in metrics_of(expression)), what
        # A rule over recorded rules has their labels in its list, whatever they are.
        assert labels_of(expression) <= set().union(*(known(name) for name in metrics_of(expression))) | ({"location"} if metrics_of(expression) & set(RECORDS) else set()), what
    for variable in (v for v in DASHBOARD["templating"]["list"] if "definition" in v):
        assert re.search(r", (\w+)\)$", variable["definition"]).group(1) == variable["name"]


# -- a real run -----------------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(module_world):
    """httpd, daemon, a receiver of the journal, and a Prometheus with the rules over all of it, while every kind of request is made."""
    syslog = SyslogServer()
    try:
        stack = module_world.stack(
            location="MCPAuthInspect Body\nMCPAuthScope mcp:tools.read\nMCPAuthOperation tools/call:echo mcp:tools.exec\nMCPAuthRateLimit subject 5/hour",
            locations={"/broken": "MCPAuth On\nMCPAuthResource {resource}\nMCPAuthInspect Off\nProxyPass {upstream}/status/502"},
            admind_config=f"Forward syslog tcp://127.0.0.1:{syslog.port} name=siem\nIssuer https://auth.example.com\nAlert auth_failures threshold=1 window=60min by=address,location")
        stack.prometheus = module_world.prometheus(f"127.0.0.1:{stack.admind.port}", rules=RULES)
        stack.rounds = 0
        stack.go_on = lambda: traffic(stack)
        yield stack
    finally:
        syslog.stop()


def traffic(stack):
    """One of each: let in, listed, refused for scope, none, expired, forged, of a key that nobody has, over the limit, failed behind us."""
    stack.rounds += 1
    good = stack.token(sub=f"alice-{stack.rounds}", scope="mcp:tools.read mcp:tools.exec")
    forged, unknown = stack.token(signature=b"x" * 256), stack.token(key=Key(kid=f"nobody-{stack.rounds}"))
    asked = [stack.call(token=token, body=body).status for token, body in (
        (good, None), (good, '{"jsonrpc":"2.0","id":2,"method":"tools/list"}'), (stack.token(sub=f"bob-{stack.rounds}", scope="mcp:tools.read"), call_tool()),
        (None, None), (stack.token(expires_in=-900), None), (forged, None), (unknown, None))]
    assert asked == [200, 200, 403, 401, 401, 401, 401]
    assert 429 in [stack.call(token=good).status for _ in range(6)] and stack.call(token=good, path="/broken").status == 502


def numbers(run, expression):
    return [(labels, value) for labels, value in run.prometheus.query(expression) if value == value]  # no NaN: nothing divided by nothing


def wait_numbers(run, expressions):
    """Until each of them, a dict of them by name, has given a number; the traffic goes on meanwhile. What Prometheus cannot evaluate fails at once."""
    left = dict(expressions)

    def all_have():
        run.go_on()
        for name in [name for name, expression in left.items() if numbers(run, expression)]:
            del left[name]
        return not left

    wait_until(all_have, 60, lambda: f"no data of {left}\n{run.admind.log()[-2000:]}")


def test_every_metric_and_label_is_in_a_real_scrape(run):
    wanted = {f'{name}{{{label}!=""}}' for expression in EXPRESSIONS.values() for name in metrics_of(expression) for label in (labels_of(expression) | {"job"}) & known(name)}
    assert len(wanted) > 80
    wait_numbers(run, {selector: f"count({selector})" for selector in wanted})


def test_every_recording_rule_gives_numbers(run):
    wait_numbers(run, {name: name for name in RECORDS})
    groups = run.prometheus.get_json("/api/v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) == len(RECORDS) + len(ALERTS) and {(rule["health"], rule.get("lastError")) for rule in rules} == {("ok", None)}


def compared(expression):
    """What an alert looks at: its expression without what it is held against."""
    return re.sub(r" (?:==|>) [\d.]+(?: \* [\d.]+)*(?=$|[ )])", "", expression)


def test_every_alert_looks_at_something(run):
    """An alert over nothing never fires, and nobody would know. Absence is the only one that has to be empty here."""
    asked = {name: compared(rule["expr"]) for name, rule in ALERTS.items()}
    assert compared("a > 64 * 1024 and on (job) (b == 0)") == "a and on (job) (b)" and all(asked[n] != ALERTS[n]["expr"] for n in set(ALERTS) - {"McpauthAbsent"})
    assert run.prometheus.query(asked.pop("McpauthAbsent")) == []
    wait_numbers(run, asked)


@pytest.mark.parametrize("row", [p["title"] for p in DASHBOARD["panels"] if p["type"] == "row"])
def test_every_panel_of_the_dashboard_gives_numbers(run, row):
    titles, under = [], None
    for panel in DASHBOARD["panels"]:
        under = panel["title"] if panel["type"] == "row" else under
        titles += [panel["title"]] if panel["type"] != "row" and under == row else []
    asked = {name: query for name, query in QUERIES.items() if name.rsplit(", ", 1)[0] in titles}
    assert asked
    wait_numbers(run, asked)


def test_the_daemons_own_alert_reaches_prometheus_with_its_severity_and_its_page(run):
    def fired():
        run.go_on()
        found = [a for a in run.prometheus.get_json("/api/v1/alerts")["data"]["alerts"] if a["labels"]["alertname"] == "McpauthDaemonAlert"]
        return [a for a in found if a["state"] == "firing" and a["labels"]["name"] == "auth_failures"]

    alert, *_ = wait_until(fired, 30, "the alert fires in Prometheus")
    assert alert["labels"]["severity"] == "warning" and alert["annotations"]["runbook_url"] == "docs/runbooks.md#auth_failures"
    assert {name for name, *_ in builtin_alerts()} == {labels["name"] for labels, _ in run.prometheus.query("mcpauth_alerts_firing")}
