# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl gates: what is deployed as it should be passes, and a planted fault is told by its own gate and by no other."""
import copy
import json
import os
import subprocess

import pytest

from gates_parts import FAULTS, GATES, SNAPSHOT, Front, base_documents, development, gates, judged, location, outcomes
from harness import SOURCE, paths
from harness.process import free_port, wait_until
from harness.world import Stack
from probe_parts import BAD, ENV, GOOD, UNREACHABLE, USAGE
from resource_server import ResourceServer

RULES = SOURCE / "conf/prometheus/mcpauth.rules.yml"


@pytest.fixture(scope="module")
def deployed(module_world):
    """In production mode, with TLS at the front and at the issuer."""
    world = module_world
    ca = world.scratch / "ca.pem"
    ca.write_bytes(world.tls.certificate.read_bytes())
    os.chmod(ca, 0o644)
    s = Stack()
    s.world, s.ca, s.upstream, s.issuer = world, ca, world.upstream(), world.issuer(tls=True)
    s.admind = world.admind(f"KeyCAFile {ca}\n")
    s.httpd = world.httpd(start=False, tls=True, mode="production")
    s.path, s.resource = "/mcp", s.httpd.tls_url + "/mcp"
    s.httpd.config = f"MCPAuthIssuer {s.issuer.url}\n"
    s.httpd.locations = {"/mcp": f"MCPAuth On\nMCPAuthResource {s.resource}\nMCPAuthScope mcp:tools.read\nMCPAuthInspect Body\nMCPAuthRateLimit address 1000/s\n"
                                 f"MCPAuthAudit Required\nProxyPass {s.upstream.url}/mcp"}
    s.httpd.write_config()
    s.httpd.start()
    wait_until(lambda: outcomes(gates("--config", s.admind.conf_path, "--json"))["keys"] == "pass", 20, lambda: f"{s.admind.keys()}\n{s.admind.log()}")
    wait_until(lambda: s.admind.get("/status").json()["children"], 20, "a child is linked")
    return s


def test_what_is_deployed_well_passes_every_gate(deployed):
    prometheus = deployed.world.prometheus(f"127.0.0.1:{deployed.admind.port}", rules=RULES)
    done = gates("--config", deployed.admind.conf_path, "--json", "--probe", "--ca", deployed.ca, "--prometheus", prometheus.url, "--no-issuer")
    assert {n: (g["outcome"], g["seen"]) for n, g in judged(done).items() if g["outcome"] != "pass"} == {}, done.stderr
    assert done.returncode == GOOD and done.stderr == ""
    prometheus.stop()


def test_what_was_not_asked_for_is_skipped_and_says_how(deployed):
    done = gates("--config", deployed.admind.conf_path, "--json")
    found = judged(done)
    assert done.returncode == GOOD and {n for n, g in found.items() if g["outcome"] == "skip"} == {"rules", "tls-hsts", "probe"}
    assert "--prometheus" in found["rules"]["seen"] and "--probe" in found["tls-hsts"]["seen"] and "--probe" in found["probe"]["seen"]


def test_table_shows_each_gate_with_its_mend(deployed):
    done = gates("--config", deployed.admind.conf_path)
    assert done.returncode == GOOD and done.stdout.splitlines()[-1] == "good  11 passed, 0 failed, 3 skipped and not judged" and "\033" not in done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines()[1:-2]] == GATES
    done = gates("--config", deployed.admind.conf_path, "--policy", "/nonexistent")
    assert done.returncode == BAD and "bad  1 passed, 1 failed, 12 skipped" in done.stdout
    assert "/nonexistent: not found" in done.stdout and "to mend: start httpd" in done.stdout.splitlines()[2]


def test_table_is_coloured_on_a_terminal_only(deployed):
    program = paths.built_program("mcpauthctl")
    shown = subprocess.run(["script", "-qec", f"{program} gates --config {deployed.admind.conf_path} --policy /nonexistent", "/dev/null"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                           text=True, env=ENV, timeout=60 * paths.PATIENCE, check=False)
    assert shown.returncode == BAD and "\033[31mfail" in shown.stdout and "\033[32mpass" in shown.stdout and "\033[0m" in shown.stdout
    plain = subprocess.run(["script", "-qec", f"{program} gates --config {deployed.admind.conf_path}", "/dev/null"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                           env={**ENV, "NO_COLOR": "1"}, timeout=60 * paths.PATIENCE, check=False)
    assert plain.returncode == GOOD and "\033" not in plain.stdout


def test_daemon_that_is_away_closes_one_gate_and_is_told_apart(deployed):
    done = gates("--config", deployed.admind.conf_path, "--url", f"http://127.0.0.1:{free_port()}", "--json")
    assert done.returncode == UNREACHABLE and outcomes(done) == {**dict.fromkeys(SNAPSHOT, "pass"), "metrics": "fail", **dict.fromkeys(
        ["policy-current", "keys", "rules", "tls-hsts", "probe"], "skip")}


def test_admin_token_is_sent_to_the_daemon_alone(deployed, tmp_path):
    secret = "0123456789abcdef0123456789abcdef"
    token = tmp_path / "token"
    token.write_text(secret + "\n")
    with Front({**base_documents(deployed), "token": secret}) as front:
        assert outcomes(front.gates("--policy", deployed.world.dirs.state / "policy.json"))["metrics"] == "fail"
        done = front.gates("--policy", deployed.world.dirs.state / "policy.json", "--token-file", token, "--prometheus", front.url)
        assert done.returncode == GOOD, done.stdout
        assert {path: given for path, given in front.seen} == {"/metrics": f"Bearer {secret}", "/status": f"Bearer {secret}", "/keys": f"Bearer {secret}", "/api/v1/rules": None}


@pytest.mark.parametrize("arguments", [["extra"], ["--prometheus", "localhost:9090"], ["--prometheus", "unix:/x"], ["--ca", "/nonexistent"], ["--token-file", "/nonexistent"],
                                       ["--subject", "x"], ["--probe=yes"], ["--limit", "3"]])
def test_wrong_usage_is_status_2_and_told(arguments):
    done = gates(*arguments)
    assert done.returncode == USAGE and done.stderr and done.stdout == ""


def test_graceful_restart_to_another_policy_is_followed(deployed):
    before = dict(deployed.httpd.locations)
    old = deployed.world.scratch / "old.json"
    old.write_bytes((deployed.world.dirs.state / "policy.json").read_bytes())
    try:
        deployed.httpd.locations["/mcp"] += "\nMCPAuthScope mcp:tools.exec\n"
        deployed.httpd.locations["/mcp"] = deployed.httpd.locations["/mcp"].replace("MCPAuthScope mcp:tools.read\n", "")
        deployed.httpd.write_config()
        deployed.httpd.graceful()
        wait_until(lambda: outcomes(gates("--config", deployed.admind.conf_path, "--json"))["policy-current"] == "pass", 20, "daemon and children have the new policy")
        assert outcomes(gates("--config", deployed.admind.conf_path, "--policy", old, "--json"))["policy-current"] == "fail"
    finally:
        deployed.httpd.locations = before
        deployed.httpd.write_config()
        deployed.httpd.graceful()
        wait_until(lambda: outcomes(gates("--config", deployed.admind.conf_path, "--json"))["policy-current"] == "pass", 20, "the old policy is back")


def test_page_lists_every_gate_in_order():
    text = (SOURCE / "docs/mcpauthctl.md").read_text().split("\n## `gates`", 1)[1].split("\n### ", 1)[0]
    assert [line.split("|")[1].strip(" `") for line in text.splitlines() if line.startswith("| `")] == GATES


# -- one fault, one gate -------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def right(deployed):
    return base_documents(deployed)


def judge(deployed, folder, documents, wrong=None, *more):
    with ResourceServer(tls=deployed.world.tls, wrong=wrong) as server:
        for found in documents["policy"]["locations"] if isinstance(documents["policy"], dict) else ():
            if found.get("resource") == deployed.resource:
                found["resource"] = server.url
        policy = folder / "policy.json"
        policy.write_text(documents["policy"] if isinstance(documents["policy"], str) else json.dumps(documents["policy"]))
        with Front(documents) as front:
            return front.gates("--policy", policy, "--prometheus", front.url, "--probe", "--ca", deployed.ca, "--no-issuer", *more)


def test_right_documents_pass_every_gate(deployed, right, tmp_path):
    done = judge(deployed, tmp_path, copy.deepcopy(right))
    assert done.returncode == GOOD and set(outcomes(done).values()) == {"pass"}, done.stdout


@pytest.mark.parametrize("gate, said, change, besides", FAULTS, ids=[f"{gate}-{i}" for i, (gate, *_) in enumerate(FAULTS)])
def test_fault_closes_its_own_gate_and_no_other(deployed, right, tmp_path, gate, said, change, besides):
    documents = copy.deepcopy(right)
    if callable(change):
        change(documents)
    done = judge(deployed, tmp_path, documents, None if callable(change) else change)
    assert outcomes(done) == {**dict.fromkeys(GATES, "pass"), gate: "fail", **besides}, done.stdout
    assert done.returncode == BAD and said in judged(done)[gate]["seen"]


def test_every_gate_has_a_fault():
    assert {gate for gate, *_ in FAULTS} | {"tls"} == set(GATES)


def test_plain_resource_closes_the_gates_of_tls_and_of_production_mode(deployed, right, tmp_path):
    documents = copy.deepcopy(right)
    development(documents, resource="http://127.0.0.1:1/mcp")
    with Front(documents) as front:
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps(documents["policy"]))
        found = outcomes(front.gates("--policy", policy))
    assert {name for name, outcome in found.items() if outcome == "fail"} == {"tls", "production-mode"}


def test_snapshot_of_an_older_module_does_not_pass_what_it_does_not_tell(deployed, right, tmp_path):
    documents = copy.deepcopy(right)
    location(auth_type=None)(documents)
    done = judge(deployed, tmp_path, documents)
    assert done.returncode == GOOD and {n for n, o in outcomes(done).items() if o != "pass"} == {"no-basic-fallback"} and "older" in judged(done)["no-basic-fallback"]["seen"]


def test_good_things_are_not_faults(deployed, right, tmp_path):
    documents = copy.deepcopy(right)
    location(audit="on", auth_type="oauth20", auth_type_in="<Location />", scopes="")(documents)  # what every client asks for needs a scope by default
    documents["status"]["children"] = [{"policy": right["status"]["policy"]["generation"]}, {"policy": "0" * 16}]
    second = copy.deepcopy(documents["policy"]["locations"][0])
    documents["policy"]["locations"].append({**second, "location": "/two", "limits": ["subject 1/s"]})
    documents["policy"]["issuers"].append({**documents["policy"]["issuers"][0], "url": "https://file.example", "keys": "file", "jwks": "/x"})
    found = judged(judge(deployed, tmp_path, documents))
    assert {g["outcome"] for g in found.values()} == {"pass"}, found
    assert "Required" in found["audit"]["seen"] and "localhost /mcp and 1 more" in found["audit"]["seen"] and "1 older" in found["policy-current"]["seen"]
    assert found["tls-hsts"]["seen"].startswith("1 resources"), "one resource is asked once"


@pytest.mark.parametrize("scopes, rules", [
    ("", [["tools/call:echo", "granted"]]), ("", [["ping", "granted"], ["initialize", "granted"]]), ("", [["tools/call", "denied"], ["tools/list", "some:list"], ["*", "granted"]]),
    ("", [["tools/call", "some:call"], ["tools/list", "some:list"], ["*", "granted"]]), ("mcp:tools.read", [["*", "granted"]])])
def test_what_is_granted_beside_scopes_is_no_fault(deployed, right, tmp_path, scopes, rules):
    documents = copy.deepcopy(right)
    location(scopes=scopes, operations=[rules])(documents)
    done = judge(deployed, tmp_path, documents)
    assert outcomes(done)["policy-complete"] == "pass", done.stdout


def test_what_cannot_be_reached_is_told_apart(deployed, right, tmp_path):
    documents = copy.deepcopy(right)
    location(resource=f"https://127.0.0.1:{free_port()}/mcp")(documents)
    done = judge(deployed, tmp_path, documents)
    assert done.returncode == UNREACHABLE and {n: o for n, o in outcomes(done).items() if o != "pass"} == {"tls-hsts": "fail", "probe": "skip"}
    done = judge(deployed, tmp_path, copy.deepcopy(right), None, "--prometheus", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == UNREACHABLE and {n: o for n, o in outcomes(done).items() if o != "pass"} == {"rules": "fail"}
    assert "cannot reach Prometheus" in judged(done)["rules"]["seen"]


def test_certificate_that_nobody_trusts_is_told(deployed, right, tmp_path):
    documents = copy.deepcopy(right)
    with ResourceServer(tls=deployed.world.tls) as server, Front(documents) as front:
        location(resource=server.url)(documents)
        policy = tmp_path / "policy.json"
        policy.write_text(json.dumps(documents["policy"]))
        done = front.gates("--policy", policy, "--probe", "--no-issuer")
    assert done.returncode == UNREACHABLE and "certificate" in judged(done)["tls-hsts"]["seen"].lower()
