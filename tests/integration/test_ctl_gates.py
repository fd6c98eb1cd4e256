# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl gates: what is deployed as it should be passes, and a planted fault is told by its own gate and by no other."""
import copy
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness import SOURCE, paths
from harness.process import free_port, wait_until
from harness.world import Stack
from module_parts import fixed_stack
from probe_parts import BAD, ENV, GOOD, UNREACHABLE, USAGE, header, let_in, status
from resource_server import ResourceServer

SNAPSHOT = ["policy-snapshot", "policy-complete", "enforced", "production-mode", "no-basic-fallback", "tls", "rate-limits", "audit"]
DAEMON = ["metrics", "policy-current", "keys"]
GATES = [*SNAPSHOT, *DAEMON, "rules", "tls-hsts", "probe"]


def gates(*arguments, **more):
    env = {**ENV, **more.pop("env", {})}
    return subprocess.run([paths.built_program("mcpauthctl"), "gates", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                          timeout=120 * paths.PATIENCE, check=False, **more)


def judged(done):
    """{id: gate} of --json."""
    document = json.loads(done.stdout)
    found = {gate["id"]: gate for gate in document["gates"]}
    assert list(found) == GATES and [document[n] for n in ("passed", "failed", "skipped")] == [
        sum(g["outcome"] == o for g in found.values()) for o in ("pass", "fail", "skip")] and document["good"] == (document["failed"] == 0)
    assert all(("mend" in g) == (g["outcome"] == "fail") and g["seen"] for g in found.values())
    return found


def outcomes(done):
    return {name: gate["outcome"] for name, gate in judged(done).items()}

# -- AuthType, as httpd writes it into the policy snapshot -------------------------------------------------------------------------------------


HTTPD = ["proxy", "proxy_http", "auth_basic", "rewrite"]
LOCAL = "MCPAuth On\nMCPAuthResource {httpd}/local"

# What stands beside the guarded Locations, and inside /mcp (proxied) and /local (files), then where an AuthType holds in these two.
AUTH_TYPES = {
    "none": ("", "", "", None, None),
    "in the Location": ("", "AuthType Basic\nAuthName x", "", "<Location /mcp>", None),
    "None in the Location": ("<Location />\nAuthType Basic\n</Location>\n<Proxy *>\nAuthType Basic\n</Proxy>", "AuthType None", "AuthType None", None, None),
    "another type": ("", "AuthType oauth20", "", ("oauth20", "<Location /mcp>"), None),
    "in one that encloses": ("<Location />\nAuthType basic\n</Location>", "", "", ("basic", "<Location />"), ("basic", "<Location />")),
    "in one below": ("<Location /mcp/old>\nAuthType Basic\n</Location>", "", "", "<Location /mcp/old>", None),
    "in one beside": ("<Location /mcpother>\nAuthType Basic\n</Location>\n<LocationMatch ^/other>\nAuthType Basic\n</LocationMatch>", "", "", None, None),
    "in one that matches": ("<LocationMatch ^/m.p>\nAuthType Basic\n</LocationMatch>", "", "", "<LocationMatch ^/m.p>", None),
    "in one that matches, with a tilde": ("<Location ~ ^/m.p>\nAuthType Basic\n</Location>", "", "", "<Location ~ ^/m.p>", None),
    "in a ProxyMatch": ("<ProxyMatch ^http://127>\nAuthType Basic\n</ProxyMatch>", "", "AuthType None", "<ProxyMatch ^http://127>", None),
    "of what is proxied at server level": ("ProxyPass /local http://127.0.0.9/\n<Directory />\nAuthType Basic\n</Directory>", "", "", None, None),
    "in a wildcard": ('<Location "/*cal">\nAuthType Basic\n</Location>', "", "", None, "<Location /*cal>"),
    "inside IfModule and Limit": ("<IfModule proxy_module>\n<Location /mcp/x>\n<Limit GET>\nAuthType Basic\n</Limit>\n</Location>\n</IfModule>", "", "",
                                  "<Location /mcp/x>", None),
    "in a Directory": ("<Directory {folder}/htdocs>\nAuthType Basic\n</Directory>", "", "", None, "<Directory {folder}/htdocs>"),
    "in the root Directory, and Files": ("<Directory />\nAuthType Basic\n</Directory>", "", "", None, "<Directory />"),
    "in Files": ('<Files "*.txt">\nAuthType Basic\n</Files>', "", "", None, "<Files>"),
    "in a Directory of what is proxied but for a part": ("ProxyPass /mcp/static !\n<Directory {folder}/htdocs>\nAuthType Basic\n</Directory>", "", "AuthType None",
                                                         "<Directory {folder}/htdocs>", None),
    "in every Proxy": ("<Proxy *>\nAuthType Basic\n</Proxy>", "", "AuthType None", "<Proxy *>", None),
    "in its Proxy": ("<Proxy {upstream}>\nAuthType Basic\n</Proxy>", "", "AuthType None", "<Proxy {upstream}>", None),
    "in its Proxy with a wildcard": ("<Proxy {upstream}/mcp/*>\nAuthType Basic\n</Proxy>", "", "AuthType None", "<Proxy {upstream}/mcp/*>", None),
    "in another Proxy": ("<Proxy http://127.0.0.9/>\nAuthType Basic\n</Proxy>", "", "AuthType None", None, None),
    "in an If": ("<If \"%{HTTP_USER_AGENT} == 'x'\">\nAuthType Basic\n</If>", "AuthType None", "AuthType None", "<If>", "<If>"),
    "Basic goes before others": ("<Location /mcp/a>\nAuthType Basic\n</Location>\n<Location /mcp/b>\nAuthType Form\n</Location>", "", "", "<Location /mcp/a>", None),
    "Digest goes before harmless ones": ("<Location /mcp/a>\nAuthType Digest\n</Location>\n<Location /mcp/b>\nAuthType oauth20\n</Location>", "", "",
                                         ("Digest", "<Location /mcp/a>"), None),
    "an expression goes before harmless ones": ("<Location /mcp/a>\nAuthType %{env:X}\n</Location>\n<Location /mcp/b>\nAuthType oauth20\n</Location>", "", "",
                                                ("%{env:X}", "<Location /mcp/a>"), None),
    "None in another virtual host": ("<VirtualHost 127.0.0.1:1>\nServerName other\n<Location />\nAuthType None\n</Location>\n<Location /mcp>\nAuthType None\n</Location>\n"
                                     "</VirtualHost>", "AuthType Basic\nAuthName x", "", "<Location /mcp>", None),
    "in a Directory of what another virtual host proxies": ("<VirtualHost 127.0.0.1:1>\nServerName other\nProxyPass /local http://127.0.0.9/\n<Location /local>\n"
                                                            "ProxyPass http://127.0.0.9/\n</Location>\n</VirtualHost>\n<Directory />\nAuthType Basic\n</Directory>", "", "", None,
                                                            "<Directory />"),
    "in a Proxy of what another virtual host proxies": ("<VirtualHost 127.0.0.1:1>\nServerName other\nProxyPass /local http://127.0.0.9/\n</VirtualHost>\n"
                                                        "<Proxy http://127.0.0.8/>\nAuthType Basic\n</Proxy>", "", "", None, "<Proxy http://127.0.0.8/>"),
    "in a Directory of what a virtual host does not proxy": ("ProxyPass /local http://127.0.0.9/\n<VirtualHost 127.0.0.1:1>\nServerName other\nProxyPassInherit Off\n</VirtualHost>\n"
                                                             "<Directory />\nAuthType Basic\n</Directory>", "", "", None, "<Directory />"),
    "in another virtual host": ("<VirtualHost 127.0.0.1:1>\nServerName other\n<Location /mcp>\nAuthType Basic\n</Location>\n</VirtualHost>", "", "", "<Location /mcp>", None),
}


@pytest.fixture(scope="module")
def files(module_world):
    """A stack of which the tests below change the configuration."""
    return fixed_stack(module_world, modules=HTTPD)


@pytest.mark.parametrize("beside, inside, local, at_mcp, at_local", AUTH_TYPES.values(), ids=AUTH_TYPES)
def test_auth_type_that_may_hold_is_in_the_snapshot(files, beside, inside, local, at_mcp, at_local):
    httpd = files.httpd
    before = httpd.config, dict(httpd.locations)
    try:
        httpd.config += "\n" + beside.replace("{upstream}", files.upstream.url)
        httpd.locations["/mcp"] += "\n" + inside
        httpd.locations["/local"] = LOCAL + "\n" + local
        httpd.write_config()
        httpd.graceful()
    finally:
        httpd.config, httpd.locations = before
    policy = json.loads((files.world.dirs.state / "policy.json").read_text())
    found = {p["location"]: (p["auth_type"], p.get("auth_type_in")) for p in policy["locations"]}

    def expected(where):
        kind, where = where if isinstance(where, tuple) else ("Basic", where)
        return ("None", None) if where is None else (kind, httpd._fill(where.replace("{upstream}", files.upstream.url)))
    assert found == {"/mcp": expected(at_mcp), "/local": expected(at_local)}


def test_auth_type_of_guarded_sections_of_other_kinds(world):
    httpd = world.httpd(modules=HTTPD, config="""MCPAuthIssuer https://as.example
<LocationMatch "^/api/v[0-9]">
MCPAuth On
MCPAuthResource https://mcp.example.com/api
</LocationMatch>
<Location "/api/v2">
AuthType Basic
</Location>
<Directory "{folder}/htdocs">
MCPAuth On
MCPAuthResource https://mcp.example.com/files
</Directory>
<Directory "{folder}/htdocs/old">
AuthType Basic
</Directory>
<Directory "/srv">
AuthType Basic
</Directory>
<Proxy "http://127.0.0.9/">
MCPAuth On
MCPAuthResource https://mcp.example.com/proxied
AuthType None
</Proxy>
<Proxy "http://127.0.0.9/old">
AuthType Digest
</Proxy>""")
    policy = json.loads((world.dirs.state / "policy.json").read_text())
    assert [(p["auth_type"], p.get("auth_type_in")) for p in policy["locations"]] == [
        ("Basic", "<Location /api/v2>"), ("Basic", f"<Directory {httpd.folder}/htdocs/old>"), ("Digest", "<Proxy http://127.0.0.9/old>")]


def auth_type_of_files(world, beside, place="<Directory {folder}/htdocs>", inside="AuthType None"):
    """Where an AuthType holds, of a Directory that is guarded."""
    httpd = world.httpd(modules=HTTPD, config=f"MCPAuthIssuer https://as.example\n{beside}\n{place}\nMCPAuth On\nMCPAuthResource https://mcp.example.com/files\n{inside}\n"
                        f"</{place[1:].split()[0]}>\n")
    found, = json.loads((world.dirs.state / "policy.json").read_text())["locations"]
    assert (found["auth_type"] == "None") == ("auth_type_in" not in found)
    return found.get("auth_type_in", "").replace(str(httpd.folder), "{folder}")


BASIC = "AuthType Basic\nAuthName x\n"


@pytest.mark.parametrize("beside, where", [
    (f"<Directory {{folder}}/htdocs/old/>\n{BASIC}</Directory>", "<Directory {folder}/htdocs/old>"),
    (f'<Files "*.txt">\n{BASIC}</Files>', "<Files>"),
    (f'<Directory {{folder}}>\n<Files "*.txt">\n{BASIC}</Files>\n</Directory>', "<Directory {folder}>"),
    (f"<DirectoryMatch ^{{folder}}/htdocs/?$>\n{BASIC}</DirectoryMatch>", "<DirectoryMatch ^{folder}/htdocs/?$>"),
    (f"<Directory {{folder}}/htd*>\n{BASIC}</Directory>", "<Directory {folder}/htd*>"),
    (f"<VirtualHost 127.0.0.1:1>\nServerName other\n<Directory {{folder}}/htdocs>\n{BASIC}</Directory>\n</VirtualHost>", "<Directory {folder}/htdocs>"),
    (f"<Location /x>\n{BASIC}</Location>\n<Location />\n{BASIC}</Location>", "<Location />"),
    (f"<Directory {{folder}}>\n{BASIC}</Directory>", ""),
    (f"<Directory />\n{BASIC}</Directory>", ""),
    (f"<Directory {{folder}}/htdocs>\n{BASIC}</Directory>", ""),
    (f"<Directory {{folder}}//htdocs/./>\n{BASIC}</Directory>", ""),
    (f"<Directory {{folder}}/other>\n{BASIC}</Directory>", ""),
])
def test_auth_type_none_in_a_guarded_directory_ends_only_what_httpd_is_sure_to_take_before(world, beside, where):
    assert auth_type_of_files(world, beside) == where


@pytest.mark.parametrize("place", ["<Directory {folder}/htdocs/>", "<Directory {folder}//htdocs>", '<Directory "{folder}/htd*">'])
def test_auth_type_none_is_believed_however_the_directory_is_written(world, place):
    assert auth_type_of_files(world, "", place, BASIC + "AuthType None") == ""


def test_shorter_directory_is_taken_first_wherever_it_is_written(world):
    last = auth_type_of_files(world, f"<Directory {{folder}}/htdocs>\n{BASIC}</Directory>", "<Directory {folder}>")
    assert last == "<Directory {folder}/htdocs>"


@pytest.mark.parametrize("place", ["<DirectoryMatch ^{folder}/htdocs/>", '<Directory "{folder}/htd*/">', '<Directory ~ ^{folder}/htdocs/>'])
def test_auth_type_in_the_guarded_directory_is_seen_for_every_kind_of_path(world, place):
    assert auth_type_of_files(world, "", place, BASIC) and auth_type_of_files(world, "", place) == ""


def test_location_none_ends_what_holds_in_directories_and_files(world):
    assert auth_type_of_files(world, f'<Files "*.txt">\n{BASIC}</Files>\n<Location />\nAuthType None\n</Location>', inside=BASIC) == ""


def test_auth_type_of_another_virtual_host_is_none_of_a_virtual_hosts_location(world):
    host = "<VirtualHost 127.0.0.1:{port}>\nServerName %s\n<Location /mcp>\n%s\n</Location>\n</VirtualHost>\n"
    httpd = world.httpd(modules=HTTPD, config="MCPAuthIssuer https://as.example\n" + host % ("one", "MCPAuth On\nMCPAuthResource https://one.example/mcp") +
                        host % ("two", "AuthType Basic") + host % ("three", "MCPAuth On\nMCPAuthResource https://three.example/mcp\nAuthType Basic"))
    assert httpd.process.alive
    policy = json.loads((world.dirs.state / "policy.json").read_text())
    assert {p["vhost"]: p["auth_type"] for p in policy["locations"]} == {"one": "None", "three": "Basic"}


# -- what is deployed, for real ----------------------------------------------------------------------------------------------------------------


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


def alert(name, query, **more):
    return {"type": "alerting", "name": name, "query": query, "health": "ok", **more}


ALERTS = [alert("NotReady", "mcpauth_health_status == 0"), alert("Stale", "time() - mcpauth_jwks_last_success_timestamp_seconds > 3600"), alert("Other", "up == 0"),
          alert("Lost", "increase(mcpauth_audit_lost_total[5m]) > 0"), alert("Failing", "instance:mcpauth_auth_guesses:rate5m > 1"),
          {"type": "recording", "name": "r", "query": "rate(mcpauth_requests_total[5m])", "health": "err"}]


class Front:
    """Answers as daemon and Prometheus do, from documents; each may be a status instead. token: what the daemon's answers need."""

    def __init__(self, documents):
        self.documents, self.seen, front = documents, [], self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                given = self.headers.get("Authorization")
                front.seen.append((self.path, given))
                name = self.path.rsplit("/", 1)[-1]
                document = front.documents.get(name, 404)
                if name != "rules" and "token" in front.documents and given != f"Bearer {front.documents['token']}":
                    document = 401
                body = document if isinstance(document, str) else json.dumps(document)
                self.send_response(document if isinstance(document, int) else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def gates(self, *more):
        return gates("--json", "--url", self.url, *more)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def base_documents(deployed):
    admind = deployed.admind
    return {"policy": json.loads((deployed.world.dirs.state / "policy.json").read_text()), "status": admind.get("/status").json(), "keys": admind.get("/keys").json(),
            "metrics": admind.metrics_text(), "rules": {"status": "success", "data": {"groups": [{"name": "a", "rules": ALERTS[:2]}, {"name": "b", "rules": ALERTS[2:]}]}}}


def location(**members):
    """Other members in a Location of the policy; None takes one out."""
    def change(documents):
        found = documents["policy"]["locations"][0]
        found.update(members)
        documents["policy"]["locations"][0] = {k: v for k, v in found.items() if v is not None}
    return change


def of(name, **members):
    def change(documents):
        documents[name].update(members)
    return change


def inside(name, member, **members):
    """The same in the first element of a list."""
    def change(documents):
        documents[name][member][0].update(members)
    return change


def instead(name, value):
    def change(documents):
        documents[name] = value
    return change


def rules(*kept):
    return instead("rules", {"status": "success", "data": {"groups": [{"rules": [*kept]}]}})


def no_children(documents):
    documents["status"]["children"] = []


def development(documents, **members):
    documents["policy"]["mode"] = "development"
    location(**members)(documents)


def broken(change):
    """A snapshot that cannot be read: everything about it is skipped."""
    return change, {name: "skip" for name in [*SNAPSHOT[1:], "policy-current", "keys", "tls-hsts", "probe"]}


# The gate that must close, what it must say, the change, and what else changes (outcomes); a dict of changes is for the resource itself.
FAULTS = [
    ("policy-snapshot", "not the JSON", *broken(instead("policy", "{"))), ("policy-snapshot", "not the JSON", *broken(instead("policy", ""))),
    ("policy-snapshot", "resource", *broken(location(resource=None))), ("policy-snapshot", "version", *broken(of("policy", version=2))),
    ("policy-snapshot", "https", *broken(location(resource="http://mcp.example.com/mcp"))),
    ("policy-complete", "no Location is guarded", of("policy", locations=[]), {"tls-hsts": "skip"}),
    ("policy-complete", "localhost /mcp: trusts no issuer", location(issuers=[]), {}),
    ("policy-complete", "needs no scope", location(scopes="", inspect=None), {}),
    ("policy-complete", "needs no scope", location(scopes="", operations=[[["*", "granted"]]]), {}),
    *(("policy-complete", "may call tools", location(scopes="", operations=[rules]), {}) for rules in (
        [["tools/list", "some:list"], ["*", "granted"]], [["tools/call", "granted"]], [["tools/call:safe", "some:call"], ["tools/*", "granted"]], [["tools/call:*", "granted"]],
        [["tools/call:?*", "granted"]])),
    ("enforced", "localhost /mcp: is Shadow", location(mode="shadow"), {}),
    ("production-mode", "development", development, {}),
    ("no-basic-fallback", "localhost /mcp: AuthType Basic holds there, or may, by <Proxy *>", location(auth_type="Basic", auth_type_in="<Proxy *>"), {}),
    *(("no-basic-fallback", f"AuthType {word}", location(auth_type=word), {}) for word in ("basic", "Digest", "form", "%{env:X}")),
    ("rate-limits", "localhost /mcp: has no rate limit", location(limits=[]), {}), ("rate-limits", "no rate limit", location(limits=None), {}),
    ("audit", "localhost /mcp: MCPAuthAudit is Off", location(audit="off"), {}),
    ("metrics", "answered 500", instead("metrics", 500), {}), ("metrics", "answered 404", instead("metrics", 404), {}),
    ("metrics", "no metrics of mcpauth", instead("metrics", "node_mcpauth_build_info 1\n"), {}), ("metrics", "no metrics", instead("metrics", ""), {}),
    ("policy-current", "answered 503", instead("status", 503), {}), ("policy-current", "not the daemon", instead("status", {}), {}),
    ("policy-current", "no JSON", instead("status", "[" * 50), {}),
    ("policy-current", "another policy", of("policy", generation="0123456789abcdef"), {}),
    ("policy-current", "cannot use the policy: no place", of("status", policy={"error": "no place"}), {}),
    ("policy-current", "another policy", of("status", policy={"generation": "0123456789abcdef", "error": ""}), {}),
    ("policy-current", "no child", no_children, {}), ("policy-current", "none of httpd's", lambda d: [c.update(policy="0" * 16) for c in d["status"]["children"]], {}),
    ("keys", "does not know", of("keys", issuers=[]), {}), ("keys", "no keys: refused", inside("keys", "issuers", keys=[], last_error="refused"), {}),
    ("keys", "too old", inside("keys", "issuers", expires="2026-01-01T00:00:00.000Z"), {}), ("keys", "too old", inside("keys", "issuers", expires=None), {}),
    ("keys", "last fetch of its keys failed: timed out\\x1b", inside("keys", "issuers", last_error="timed out\x1b"), {}), ("keys", "answered 500", instead("keys", 500), {}),
    ("rules", "no alert rule that asks", rules(), {}), ("rules", "no alert rule that asks", rules(ALERTS[2], ALERTS[5]), {}), ("rules", "no alert rule that asks", instead("rules", {"data": {}}), {}),
    *(("rules", what, rules(*(a for a in ALERTS if a["name"] != name)), {})
      for name, what in (("NotReady", "not ready"), ("Stale", "stale"), ("Lost", "lost"), ("Failing", "failed authentication"))),
    ("rules", "cannot evaluate its alert rule Bad", rules(*ALERTS, alert("Bad", "mcpauth_x", health="err")), {}), ("rules", "answered 404", instead("rules", 404), {}),
    ("rules", "not Prometheus", instead("rules", "<html>"), {}),
    ("tls-hsts", "without Strict-Transport-Security", {"GET": header("Strict-Transport-Security")}, {}),
    *(("tls-hsts", "without Strict-Transport-Security", {"GET": header("Strict-Transport-Security", value)}, {}) for value in ("max-age=0", "includeSubDomains", "max-age=", 'max-age="0"')),
    ("probe", "auth-401-response", {"no token": let_in}, {}), ("probe", "auth-token-garbage", {"garbage": let_in}, {}), ("probe", "http-method-put", {"PUT": status(201)}, {}),
]


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
