# SPDX-License-Identifier: Apache-2.0
"""docs/runbooks.md: a section for every alert there is, all of the same form, and commands that work when they are typed at the worst of times."""
import os
import pwd
import re
import shlex
import subprocess

import pytest
import yaml

from guide_parts import blocks, commands, here, page, sections, typed_in
from harness import SOURCE, paths
from harness.admind import USER
from test_docs import DIRECTIVES, METRIC_ROWS, builtin_alerts, config_rows, source
from test_prometheus_rules import ALERTS

SECTIONS = sections("runbooks.md")
PARTS = ["Means.", "Users see.", "First look.", "Causes and mends.", "Clears"]
# What wants a machine that was booted by systemd; their options are held against the programs' help.
OF_SYSTEMD = ("systemctl", "journalctl")
LINES = list(dict.fromkeys(line for block in commands("runbooks.md") for line in block))
TYPED = [line for line in LINES if line.split()[0] not in OF_SYSTEMD]


def test_every_alert_has_its_section_and_every_section_its_alert():
    assert list(SECTIONS) == [*ALERTS, *(name for name, *_ in builtin_alerts())]


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_says_what_it_means_and_what_to_do(name):
    text = SECTIONS[name]
    assert re.findall(r"^\*\*(.*?)\*\*", text, re.M) == PARTS
    assert len(blocks(text, "sh")) == 1 and "mcpauthctl" in blocks(text, "sh")[0]


def test_what_is_named_exists():
    text = page("runbooks.md")
    assert set(re.findall(r"\bMCPAuth[A-Z]\w*", text)) <= set(DIRECTIVES)
    # A command may name the beginning of several.
    for name in set(re.findall(r"\b(?:mcpauth|process)_[a-z_]+\b", text)):
        assert any(row[0] == name or f"metrics {name}" in text and row[0].startswith(name) for row in METRIC_ROWS), name
    ids = set(re.findall(r"MCPA\d{4}", text))
    assert ids and ids <= set(re.findall(r'"(MCPA\d{4})"', source("mcpauth-admind/**/*.c")))
    keys = {key for key, _ in config_rows()}
    assert set(re.findall(r"`(Alert\w*|Allow\w+|Admin\w+|Journal\w+|Key[A-Z]\w+|Listen|Forward|Peer\w+|Socket)\b", text)) <= keys
    words = set(re.findall(r'^MCPA_REASON\(\w+, "(\w+)"', source("shared/policy/reason.def"), re.M))
    plain = set(re.findall(r"`([a-z]+_[a-z_]+)`", text)) - {row[0] for row in METRIC_ROWS}
    assert plain and plain <= words | {name for name, *_ in builtin_alerts()}


def test_figures_are_those_of_the_rules():
    """The ones that a reader would hold against what he sees."""
    for name, figure, words in (("McpauthErrors", "> 0.05 ", "more than 5%"), ("McpauthUnknownKeyIds", "> 20", "more than 20 times"), ("McpauthKeysStale", "> 3600", "for an hour"),
                                ("McpauthAuditBacklog", "> 64 * 1024", "64 mib"), ("McpauthForwardBehind", "> 900", "15 minutes"), ("McpauthLimitTableNearlyFull", "> 0.45", "45%"),
                                ("McpauthMemory", "> 256 * 1024", "256 mib"), ("McpauthCpu", "> 0.8", "80%"), ("McpauthKeyRotationDue", "> 8 * 24", "eight days"),
                                ("McpauthAuthFailures", "> 0.25 ", "more than a quarter")):
        assert figure in ALERTS[name]["expr"] and words in SECTIONS[name].lower(), name
    spoken = {"2m": "two minutes", "5m": "five minutes", "10m": "ten minutes", "15m": "15 minutes"}
    for name in ("McpauthDown", "McpauthNotReady", "McpauthAuthFailures", "McpauthAuditBacklog", "McpauthAuditStalled", "McpauthMemory", "McpauthCpu"):
        assert spoken[ALERTS[name]["for"]] in SECTIONS[name].split("**Users")[0].replace("\n", " "), name
    [failures] = [(int(threshold), int(minutes)) for name, threshold, minutes in builtin_alerts() if name == "auth_failures"]
    assert failures == (10, 5) and "more than 10 in five minutes" in SECTIONS["auth_failures"]


@pytest.fixture(scope="module")
def deployed(module_world):
    stack = module_world.stack(location="MCPAuthInspect Body\nMCPAuthScope mcp:tools.read")
    assert stack.call(token=stack.token()).status == 200
    stack.admind.wait_journal(1)
    stack.admind.stop()  # which seals the journal at once
    stack.admind.start()
    stack.wait_keys()
    return stack


@pytest.mark.parametrize("line", TYPED)
def test_commands_work_as_they_stand(deployed, tmp_path, line):
    done = subprocess.run(["/bin/sh", "-c", here(deployed, line)], cwd=tmp_path, env=typed_in(deployed, tmp_path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60 * paths.PATIENCE, check=False)
    assert done.returncode == 0 and "unknown" not in done.stdout, done.stdout


def test_a_token_that_only_the_daemon_is_handed_is_given_as_the_page_says(world):
    """By those commands that it says need it, and by no others."""
    [option] = re.findall(r"`(--token-file /etc/mcpauth/credentials/)NAME`", page("runbooks.md"))
    handed = world.scratch / "handed"
    handed.mkdir(mode=0o755)
    admind = world.admind("AdminTokenFile credential:mcpauth_admin.token\n", env={"CREDENTIALS_DIRECTORY": str(handed)}, start=False)
    token = admind.folder / "credentials/admin.token"
    token.parent.mkdir()
    for path in (token, handed / "mcpauth_admin.token"):
        path.write_text("0123456789abcdef" * 2 + "\n")
        path.chmod(0o400)
    os.chown(handed / "mcpauth_admin.token", *pwd.getpwnam(USER)[2:4])
    admind.start()
    wants = set()
    for line in (line for line in TYPED if line.startswith("mcpauthctl ")):
        words = [paths.built_program("mcpauthctl"), *shlex.split(line)[1:], "--config", admind.conf_path]
        if subprocess.run(words, capture_output=True, timeout=60 * paths.PATIENCE, check=False).returncode == 2:
            wants.add(line.split()[1])
            done = subprocess.run([*words, "--token-file", option.split()[1].replace("/etc/mcpauth", str(admind.folder)) + "admin.token"], capture_output=True, text=True,
                                  timeout=60 * paths.PATIENCE, check=False)
            assert done.returncode in (0, 1) and "token" not in done.stderr, done.stderr
    assert wants == {"status", "keys", "alerts", "metrics"} and "`mcpauthctl status`, `keys`, `alerts` and `metrics` end with 2" in page("runbooks.md")


def test_pods_have_the_containers_that_are_named():
    text = page("runbooks.md").replace("\n", " ")
    manifest = yaml.safe_load((SOURCE / "conf/kubernetes/deployment.yaml").read_text())
    pod = manifest["spec"]["template"]["spec"]
    programs = {container["name"]: container["command"] for container in pod["initContainers"] + pod["containers"]}
    named = re.findall(r"`kubectl -n (\w+) (?:exec|logs) POD -c (\w+)", text)
    assert {name for _, name in named} == {"admind", "httpd"} <= set(programs) and {space for space, _ in named} == {manifest["metadata"]["namespace"]}
    [told] = re.findall(r"-c httpd -- (.*?)`", text)
    assert told.split()[0] == programs["httpd"][0].rsplit("/")[-1] and told.split()[-2:] == programs["httpd"][-2:]


@pytest.mark.parametrize("line", sorted(set(LINES) - set(TYPED)))
def test_commands_of_systemd_have_such_options_and_our_unit(line):
    words = shlex.split(line)
    said = subprocess.run([paths.need(words[0]), "--help"], stdout=subprocess.PIPE, text=True, timeout=60, check=True).stdout
    assert {word for word in words[1:] if word.startswith("-")} <= set(re.findall(r"(?<!\S)--?[a-z][\w-]*", said))
    assert words[1].startswith("-") or re.search(rf"^  {words[1]}\b", said, re.M)
    assert "mcpauth-admind" in words


def test_what_the_count_of_breaks_does_not_see_is_told(deployed):
    """By the one line of the log that the runbook names."""
    folder = deployed.world.dirs.journal
    said = deployed.admind.log().count("MCPA2131")
    deployed.admind.stop()
    for path in folder.iterdir():
        path.unlink()
    deployed.admind.start()
    assert deployed.admind.metric("mcpauth_audit_seal_breaks_total") == 0
    assert deployed.admind.log().count("MCPA2131") == said + 1 and "`MCPA2131`" in SECTIONS["McpauthSealBroken"]
