# SPDX-License-Identifier: Apache-2.0
"""What README, docs/ and conf/ say, held against the code and the running programs: the two cannot drift apart."""
import json
import math
import re
import shlex
import subprocess

from harness import SOURCE, paths

README = (SOURCE / "README.md").read_text()
METRICS = (SOURCE / "docs/metrics.md").read_text()
CTL = (SOURCE / "docs/mcpauthctl.md").read_text()
HTTPD_CONF = (SOURCE / "conf/httpd-complete.conf").read_text().replace("\\\n#", "")
ADMIND_CONF = (SOURCE / "conf/mcpauth-admind-complete.conf").read_text()


def source(pattern):
    """The text of all files of ours that match."""
    found = sorted(SOURCE.glob(pattern))
    assert found, pattern
    return "\n".join(p.read_text() for p in found)


def only(pattern, text):
    """The groups of the one match."""
    found = re.findall(pattern, text, re.M | re.S)
    assert len(found) == 1, f"{len(found)} times: {pattern}"
    return found[0]


def marked(text, name):
    return only(rf"<!-- {name}:begin -->(.*)<!-- {name}:end -->", text)


def table(text):
    """The rows of a Markdown table, without its head: lists of cells."""
    rows = [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 2 and set(rows[1][0]) == {"-"}
    return rows[2:]


def code(cell):
    """What stands between backticks, or None: a cell of plain words."""
    found = re.fullmatch(r"`([^`]*)`", cell)
    return found and found.group(1)


# -- directives ----------------------------------------------------------------------------------------------------------------------

# name -> (where, default as a code word or None)
DIRECTIVES = {code(cells[0]).split()[0]: (set(cells[1].split()), code(cells[2].split(",")[0])) for cells in table(marked(README, "directives"))}


def shown(text):
    """{name: [arguments of each line]}, lines that are commented out too."""
    found = {}
    for line in re.findall(r"^\s*#?\s*(\w+[ \t]+\S.*?)\s*$", text, re.M):
        name, arguments = line.split(None, 1)
        found.setdefault(name, []).append(" ".join(arguments.split()))
    return found


def test_the_operations_page_has_the_table_of_defaults():
    rows = re.findall(r'^ +\{ "([^"]+)", NULL, MCPA_EFFECT_SCOPES, (\w+) \}', source("shared/policy/operation.c"), re.M)
    scopes = dict(re.findall(r'^#define (READ|EXEC) "([^"]+)"', source("shared/policy/operation.c"), re.M))
    shown_rows = [(code(a), code(b)) for a, b in table(marked((SOURCE / "docs/operations.md").read_text(), "operations"))]
    assert len(rows) > 20 and shown_rows == [(method, scopes[scope]) for method, scope in rows]


def test_the_operations_page_has_the_table_of_lengths():
    limits = {name: int(n) for name, n in re.findall(r"^#define (MCPA_\w+_BYTES) (\d+)\b", source("shared/base/limits.h"), re.M)}
    rows = re.findall(r'= \{ "(\w+)", "[^"]+", (\d+), (MCPA_\w+), (MCPA_\w+) \}', source("shared/base/lengths.c"))
    said = [(code(a), *map(int, (usual, least, greatest))) for a, _, usual, least, greatest in table(marked((SOURCE / "docs/operations.md").read_text(), "lengths"))]
    assert len(rows) == 5 and said == [(word, limits[usual], int(least), limits[greatest]) for word, least, usual, greatest in rows]
    shown_lines = dict(line.split() for line in shown(HTTPD_CONF)["MCPAuthMaxLength"])
    assert {word: int(size[:-1]) * 1024 if size.endswith("k") else int(size) for word, size in shown_lines.items()} == {word: usual for word, usual, *_ in said}


def test_the_audit_page_has_every_member_of_a_record():
    members = re.findall(r"^MCPA_FIELD\(\w+, \d+, (\w+)\)", source("shared/wire/record.def"), re.M)
    said = [name for cells in table(marked((SOURCE / "docs/audit.md").read_text(), "record")) for name in re.findall(r"`(\w+)`", cells[0])]
    assert len(members) > 25 and said == [*members, "instance", "seq"]


def test_every_directive_stands_in_readme(world):
    httpd = world.httpd(start=False)
    said = subprocess.run(httpd._argv("-L"), env=httpd._env(), stdout=subprocess.PIPE, text=True, timeout=30 * paths.PATIENCE, check=True).stdout
    ours = set(re.findall(r"^(\w+) \(mod_mcp_auth\.c\)", said, re.M))
    assert ours and set(DIRECTIVES) == ours


def test_directives_may_stand_where_readme_says(world):
    """At server level, and in a Location; whatever else is wrong with the line, its place is looked at first."""
    places = {}
    for name in DIRECTIVES:
        line = f"{name} {shown(HTTPD_CONF)[name][0]}"
        places[name] = set()
        for where, options in (("S", {"config": line}), ("L", {"locations": {"/x": line}})):
            said = world.httpd(start=False, mode=None, name="httpd", **options).configtest()[1]
            if not re.search(rf"{name}: belongs (inside <Location>|to the server)", said):
                places[name].add(where)
    assert places == {name: where for name, (where, _) in DIRECTIVES.items()}


def c_defaults():
    """Where they can be read in the module's source."""
    config, policy = source("mod_mcp_auth/config.c"), source("shared/policy/policy.h")
    create = only(r"\nvoid \*mod_mcp_dir_create\((.*?)\n}\n", config)
    size = math.prod(int(n) for n in re.findall(r"\d+", only(r"#define SPOOL_MAX_BYTES +\(UINT64_C\(([\d ()*]+)\n", config)))
    on = {True: "On", False: "Off"}
    found = {
        "MCPAuth": only(r"MCPA_MODE_(\w+) = 0", policy).title(),
        "MCPAuthAudit": only(r"MCPA_AUDIT_(\w+) = 0", policy).title(),
        "MCPAuthInspect": only(r"policy\.inspect = MCPA_INSPECT_(\w+);", create).title(),
        "MCPAuthMaxBody": "4m" if only(r"policy\.max_body = (\w+);", create) == "MCPA_BODY_DEFAULT_BYTES" and "BODY_DEFAULT_BYTES (4 * 1024 * 1024)" in source("shared/base/limits.h") else None,
        "MCPAuthMaxStreams": only(r"#define MAX_STREAMS +(\d+)", config) if "policy.max_streams = MAX_STREAMS;" in create else None,
        "MCPAuthMode": "production" if "development = true" not in config else "development",
        "MCPAuthSocket": only(r'global->socket\.text = "(.*?)"', config),
        "MCPAuthStateDir": only(r'global->state_dir\.text = "(.*?)"', config),
        "MCPAuthSpoolDir": only(r'global->spool_dir\.text = "(.*?)"', config) + f" max={size // 1024 ** 3}g"
        f" durability={'sync' if 'spool_sync = true' in config else 'process'} tmpfs={'allow' if 'allows_tmpfs = true' in config else 'refuse'}",
        "MCPAuthKeyWait": only(r"#define KEY_WAIT_MS +(\d+)", config),
        "MCPAuthTokenCache": only(r"#define TOKEN_CACHE_ENTRIES +(\d+)", config),
        "MCPAuthLimitTable": only(r"#define LIMIT_TABLE_ENTRIES +(\d+)", config),
        "MCPAuthSessionTable": only(r"#define SESSION_ENTRIES +(\d+)", config),
        "MCPAuthSessionTimeout": only(r"#define SESSION_IDLE_NS +\(UINT64_C\((\d+)\) \* 3600 \* 1000000000\)", config) + "h",
    }
    for directive, member in {"IdentityHeaders": "identity_headers", "ForwardToken": "forward_token", "SecurityHeaders": "security_headers",
                             "StreamUntilExpiry": "stream_until_expiry"}.items():
        found["MCPAuth" + directive] = on[f"policy.{member} = true" in create]
    return found


def test_defaults_in_readme_are_the_modules():
    assert {name: default for name, (_, default) in DIRECTIVES.items() if default is not None} == c_defaults()


def test_complete_example_shows_every_directive_with_its_default():
    lines = shown(HTTPD_CONF)
    for name, (_, default) in DIRECTIVES.items():
        assert name in lines, f"conf/httpd-complete.conf does not show {name}"
        assert default is None or default in lines[name], f"conf/httpd-complete.conf does not show {name} {default}"


def test_issuer_options_in_readme_are_the_modules():
    text = marked(README, "directives").split("**MCPAuthIssuer** takes", 1)[1].split("**Scopes**")[0]
    options = re.findall(r'\{ "([\w-]+=)", set_\w+', source("shared/policy/issuer.c"))
    assert options and set(re.findall(r"`([\w-]+=)(?!value)", text)) == set(options)
    presets = re.findall(r'^ +\{ "(\w+)",', source("shared/policy/preset.c"), re.M)
    assert only(r"`preset=([\w|]+)`", text).split("|") == presets
    assert only(r"auth0 [\w ]+(?=\.)", HTTPD_CONF).split() == presets


def test_issuer_options_said_to_be_defaults_are(world):
    """The policy snapshot has each issuer with its options: those of a bare line and of one with every default are the same."""
    full = next(a for a in shown(HTTPD_CONF)["MCPAuthIssuer"] if "jwks=discover" in a).split(None, 1)[1]
    text = marked(README, "directives")
    said = re.findall(r"`([\w-]+=[\w+]+)`(?: \(default\)| seconds)", text) + re.findall(r"`(\w+-claim=\w+)`", text)
    httpd = world.httpd(start=False, modules=[])
    assert len(said) == 7 and set(said) <= set(full.split()), "README and conf/httpd-complete.conf name other defaults"
    for path, options in {"/bare": "", "/full": full}.items():
        httpd.locations[path] = f"MCPAuth On\nMCPAuthResource https://mcp.example.com{path}\nMCPAuthIssuer https://login.example.com{path} {options}"
    httpd.write_config()
    httpd.start()
    policy = json.loads((world.dirs.state / "policy.json").read_text())
    issuers = [{k: v for k, v in i.items() if k not in ("url", "iss", "issuer", "name")} for i in policy["issuers"]]
    assert len(issuers) == 2 and issuers[0] and issuers[0] == issuers[1]


def test_default_scope_model_is_told():
    pairs = re.findall(r'add_rule\(model, false, MCPA_STR\("([\w:.]+)"\), MCPA_STR\("([\w:.]+)"\)\)', source("shared/policy/scope.c"))
    assert len(pairs) == 2
    assert only(r"\*\*Scopes\*\* by default: `(\S+)` includes `(\S+)`, which includes `(\S+)`", README) == (pairs[0][0], pairs[0][1], pairs[1][1])
    assert shown(HTTPD_CONF)["MCPAuthScopeImplies"] == [" ".join(p) for p in pairs]


# -- reasons ---------------------------------------------------------------------------------------------------------------------------


def test_reasons_in_readme_are_the_codes():
    rows = re.findall(r'^MCPA_REASON\(\w+, "(\w+)", \w+, (\d+),', source("shared/policy/reason.def"), re.M)
    told = [(code(cells[0]), cells[1].replace("–", "0")) for cells in table(marked(README, "reasons"))]
    assert rows and told == rows
    assert all(cells[2] for cells in table(marked(README, "reasons")))


# -- metrics ---------------------------------------------------------------------------------------------------------------------------

METRIC_ROWS = [(name, kind.lower(), labels.split(), meaning) for kind, name, labels, meaning in
               re.findall(r'^MCPA_METRIC\(\w+, (\w+), "(\w+)", "([\w ]*)", "([^"]*)"\)', source("shared/wire/metric.def"), re.M)]


def test_metrics_in_docs_are_the_daemons():
    told = [(code(c[0]), c[1], re.findall(r"`(\w+)`", c[2]), c[3]) for c in table(marked(METRICS, "metrics"))]
    assert METRIC_ROWS and told == METRIC_ROWS


def test_labels_and_their_values_are_told():
    rows = {name: cells[1] for cells in table(METRICS.split("## Labels")[1].split("## What")[0]) for name in re.findall(r"`(\w+)`", cells[0])}
    assert set(rows) | {"version", "operation", "tool"} == {label for _, _, labels, _ in METRIC_ROWS for label in labels}
    words = {label: set(re.findall(r"`(\w+)`", text)) for label, text in rows.items()}
    assert words["decision"] == set(re.findall(r'"(\w+)"', only(r"const decisions\[\] = \{(.*?)\}", source("mcpauth-admind/audit/count.c"))))
    assert words["component"] == set(re.findall(r'"(\w+)"', only(r"const names\[ADMIND_COMPONENTS\] = \{(.*?)\}", source("mcpauth-admind/health.c"))))
    assert words["name"] == {*(name for name, _, _ in builtin_alerts()), "warning", "critical"}


def test_scrape_has_what_docs_tell(stack):
    """After a good request, a refused one and one over a limit, every documented metric but those of rare events is there, with its labels."""
    stack.httpd.locations[stack.path] += "\nMCPAuthRateLimit subject 1/hour"
    stack.httpd.write_config()
    stack.httpd.graceful()
    token = stack.token()
    assert [stack.call(token=t).status for t in (token, token, None, stack.token(signature=b"x" * 256))] == [200, 429, 401, 401]
    stack.admind.wait_journal(4)
    answer = stack.admind.get("/metrics")
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", answer.text, re.M))
    helps = dict(re.findall(r"^# HELP (\w+) (.*)$", answer.text, re.M))
    rows = {name: (kind, labels, meaning) for name, kind, labels, meaning in METRIC_ROWS}
    assert set(types) <= set(rows), "undocumented"
    assert set(rows) - set(types) <= {"mcpauth_operations_total", "mcpauth_notification_failures_total", "mcpauth_audit_lost_total",
                                       "mcpauth_issuer_key_age_seconds"}
    assert {name: rows[name][0] for name in types} == types and {name: rows[name][2] for name in types} == helps
    for name, pairs in stack.admind.metrics():
        family = name if name in rows else re.sub(r"_(bucket|sum|count)$", "", name)
        assert {label for label, _ in pairs} - {"le"} == set(rows[family][1]), name


# -- the daemon's configuration ----------------------------------------------------------------------------------------------------------


def config_rows():
    """[(key, default or None)]"""
    rows = re.findall(r'\{ "([A-Z]\w+)",\s*set_\w+,\s*(?:AT\(\w+\)|0),\s*(?:"([^"]*)"|NULL),', source("mcpauth-admind/config.c"))
    assert len(rows) == len(re.findall(r'\{ "[A-Z]\w+",\s*set_', source("mcpauth-admind/config.c"))) > 10
    return [(key, default or None) for key, default in rows]


def builtin_alerts():
    """[(name, threshold, minutes)]"""
    rows = re.findall(r'\{ "(\w+)", (\d+), (\d+) \* MINUTE_US, ', source("mcpauth-admind/configalert.c"))
    assert rows
    return rows


def test_daemons_example_has_every_key_at_its_default():
    lines = re.findall(r"^(#?) ?([A-Z]\w+)[ \t]+(\S.*?)[ \t]*$", ADMIND_CONF, re.M)
    values = {}
    for comment, key, value in lines:
        values.setdefault(key, []).append((bool(comment), " ".join(value.split())))
    rows = config_rows()
    for key, default in rows:
        if default is not None:
            assert values[key] == [(False, default)], key
        elif key != "Alert":
            assert values[key] and all(commented for commented, _ in values[key]), f"{key} has no default: its line is commented out"
    in_force = {key for comment, key, _ in lines if not comment}
    assert in_force <= {key for key, _ in rows}


def test_daemons_example_has_every_alert_at_its_default():
    told = {}
    for line in re.findall(r"^Alert (.*)$", ADMIND_CONF, re.M):
        name, *options = line.split()
        told[name] = dict(o.split("=") for o in options)
    assert {n: (o.get("threshold", "0"), o["window"]) for n, o in told.items()} == {n: (t, f"{m}min") for n, t, m in builtin_alerts()}
    assert told["auth_failures"]["by"] == "address,location"


# -- commands ----------------------------------------------------------------------------------------------------------------------------


def output(program, option):
    return subprocess.run([paths.built_program(program), option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False).stdout


def usage():
    return output("mcpauthctl", "--help")


def test_mcpauthctls_page_is_what_it_says():
    assert only(r"```text\n(usage: mcpauthctl.*?)```", CTL) == usage()


def commands_told(program):
    """Every `program …` in the pages, and in their blocks of shell."""
    text = README + source("docs/*.md")
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S))
    return re.findall(rf"`(?:[^`\n]*/)?({program} [^`\n]*)`", text) + re.findall(rf"^(?!systemctl |journalctl )[^#\n]*?\b({program} .*)$", shell, re.M)


def test_commands_told_exist():
    said = usage()
    names = {name: rest for name, rest in re.findall(r"^  mcpauthctl (\w+) ?(.*)$", said, re.M)}
    options = set(re.findall(r"^  (--[\w-]+)", said, re.M))
    told = commands_told("mcpauthctl")
    assert len(told) > 5
    for command in told:
        words = shlex.split(command)
        assert words[1] in {*names, "--help"}, command
        assert len(words) == 2 or "|" not in (names.get(words[1]) or "-").split()[0] or words[2] in names[words[1]].split("|"), command
        assert {w for w in words[2:] if w.startswith("--")} <= options, command
    flags = set(re.findall(r"^ +(-\w)", output("mcpauth-admind", "-h"), re.M))
    told = commands_told("mcpauth-admind")
    assert told
    for command in told:
        assert {w for w in shlex.split(command)[1:] if w.startswith("-")} <= flags, command


def test_quickstart_and_check_say_what_they_take():
    for program in ("quickstart", "check"):
        done = subprocess.run([SOURCE / program, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, check=False)
        assert done.returncode == 0 and done.stdout.startswith(f"./{program}"), done.stdout
        for option in re.findall(rf"\./{program} (--[\w-]+)", README):
            assert option in done.stdout


# -- places ------------------------------------------------------------------------------------------------------------------------------


def test_map_of_the_tree_is_true():
    for where, what in table(only(r"\n## A map of the tree[^\n]*\n(.*?)\n## ", README)):
        place = SOURCE / code(re.sub(r"\*", "", where))
        assert place.exists(), where
        for name in re.findall(r"`([\w.]+(?:/|\.[a-z]+))`", what):
            assert (place / name).exists() or (place.parent / name).exists(), f"{where}: {name}"


def test_links_lead_somewhere():
    for page in (SOURCE / "README.md", *(SOURCE / "docs").glob("*.md")):
        for link, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", page.read_text()):
            target = (page.parent / link) if link else page
            assert target.exists(), f"{page.name}: {link}"
            if anchor:
                heads = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", target.read_text(), re.M)}
                assert anchor[1:] in heads, f"{page.name}: {link}{anchor}"


def test_pages_have_one_blank_line_at_a_time():
    pages = [SOURCE / "README.md", *(SOURCE / "docs").glob("*.md")]
    assert pages and not [f"{path.name}: {at.start()}" for path in pages for at in re.finditer(r"\n\n\n", path.read_text())]


def test_a_fresh_machine_has_what_tests_are_skipped_without():
    rows = [line.split() for line in (SOURCE / ".ci/packages").read_text().splitlines() if not line.startswith("#")]
    told = {name for path in (SOURCE / "tests/integration").glob("*.py") for name in re.findall(r"NOT TESTED: .*: apt-get install ([\w.+-]+)", path.read_text())}
    assert told and told <= {name for what, name in rows if what in ("run", "check")}
    assert len({tuple(row) for row in rows}) == len(rows)


def test_five_steps_name_the_programs_defaults():
    """The directories that the steps make are those that the module and the daemon look for."""
    steps = README.split("## Enable it", 1)[1].split("## What a request")[0]
    defaults = [v for k, v in c_defaults().items() if k in ("MCPAuthStateDir", "MCPAuthSpoolDir")] + [v for k, v in config_rows() if v and v.startswith("/")]
    made = set(re.findall(r"(?<=\s)/(?:var|run|etc)/\S+", "\n".join(line for line in steps.splitlines() if "install -d" in line)))
    for path in defaults:
        path = path.split()[0]
        assert path in made or path.rsplit("/", 1)[0] in made, path
    default = only(r'#define DEFAULT_CONFIG "(.*?)"', source("mcpauth-admind/main.c"))
    assert default == "/etc/mcpauth/mcpauth-admind.conf" and "conf/mcpauth-admind.conf /etc/mcpauth/" in steps
    assert f"-c {default}" in (SOURCE / "conf/mcpauth-admind.service").read_text()
    for word in ("/usr/lib/apache2/modules/mod_mcp_auth.so", "mcp_auth_module"):
        assert word in steps and word in HTTPD_CONF
