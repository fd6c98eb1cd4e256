# SPDX-License-Identifier: Apache-2.0
"""What the role tells a Prometheus on the host: this machine, with folders of a Prometheus of the test's own. Only those tasks of the role are played."""
import json
import shutil

import pytest
import yaml

from ansible_parts import ROLE, Ansible
from harness import SOURCE, wait_until
from harness.monitoring import Prometheus

RULES = SOURCE / "conf/prometheus/mcpauth.rules.yml"


def playbook(tasks):
    return json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}])


TOLD = playbook([{"ansible.builtin.import_role": {"name": "mcpauth.gateway.mcpauth", "tasks_from": "prometheus.yml"}}])
# The one task of the removal that is Prometheus's; the others are not for this machine, and neither is the handler.
[REMOVAL] = [task for task in yaml.safe_load((ROLE / "tasks/absent.yml").read_text()) if task["name"] == "Remove what Prometheus was told"]
TAKEN = playbook([{key: value for key, value in REMOVAL.items() if key != "notify"}])


@pytest.fixture
def ansible(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "targets").mkdir()
    made = Ansible(tmp_path)
    for name, text in (("told", TOLD), ("taken", TAKEN)):
        (tmp_path / f"{name}.yml").write_text(text)
    return made


def play(ansible, variables, name, *options):
    return ansible.play(variables, *options, playbook=str(ansible.folder / f"{name}.yml")).good()


def variables(ansible, port, rules=RULES):
    return {"mcpauth_service_manager": "none", "mcpauth_listen": f"127.0.0.1:{port}", "mcpauth_prometheus_file_sd_dir": f"{ansible.folder}/targets",
            "mcpauth_prometheus_rules": str(rules), "mcpauth_prometheus_rules_dir": f"{ansible.folder}/rules"}


def test_prometheus_takes_rules_and_target_and_both_go_again(world, ansible):
    admind = world.admind()
    given = variables(ansible, admind.port)
    assert len(play(ansible, given, "told", "--check").changed["localhost"]) == 2 and not list((ansible.folder / "rules").iterdir())
    assert len(play(ansible, given, "told").changed["localhost"]) == 2
    assert not play(ansible, given, "told").changed, "a second run changes nothing"
    assert (ansible.folder / "rules" / RULES.name).read_text() == RULES.read_text()

    prometheus = world._add(Prometheus(world.scratch, []))
    prometheus.config.write_text(json.dumps({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [f"{ansible.folder}/rules/*.yml"],
        "scrape_configs": [{"job_name": "files", "file_sd_configs": [{"files": [f"{ansible.folder}/targets/*.yml"], "refresh_interval": "1s"}]}]}))
    prometheus.start()
    wait_until(lambda: [value for labels, value in prometheus.query('up{job="mcpauth"}') if labels["instance"] == given["mcpauth_listen"]] == [1], 30,
               "the target is scraped as the job that the rules look for")
    assert len(prometheus.get_json("/api/v1/rules")["data"]["groups"]) == 1

    assert play(ansible, given, "taken").changed
    assert not [path for name in ("rules", "targets") for path in (ansible.folder / name).iterdir()]
    assert not play(ansible, given, "taken").changed
    wait_until(lambda: not prometheus.query("up"), 30, "the target is gone")


def test_prometheus_is_reloaded_whenever_its_rules_change():
    [written] = [task for task in yaml.safe_load((ROLE / "tasks/prometheus.yml").read_text()) if "rules" in task["name"]]
    assert written["notify"] == REMOVAL["notify"]
    assert written["notify"] in [handler["name"] for handler in yaml.safe_load((ROLE / "handlers/main.yml").read_text())]


def test_rules_that_promtool_refuses_are_not_put_in_place(ansible):
    bad = ansible.folder / "bad.rules.yml"
    bad.write_text(RULES.read_text().replace("sum by (job", "sum by job", 1))
    shutil.copy(RULES, ansible.folder / "rules" / bad.name)
    failed = ansible.play(variables(ansible, 9860, bad), playbook=str(ansible.folder / "told.yml"))
    assert failed.status != 0 and "failed to validate" in failed.failed["localhost"]
    assert (ansible.folder / "rules" / bad.name).read_text() == RULES.read_text(), "what was there stays"
