# SPDX-License-Identifier: Apache-2.0
"""The role on hosts: Debian roots with an Apache as geerlingguy.apache lays it out, one with a daemon on its loopback each.

Whatever is asked for, and however it ends, the Apache that was there goes on serving: its first process is the same from the first test to the last."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_parts import Ansible
from harness import wait_until
from harness.debroot import make_root
from harness.tls import Tls

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
PACKAGES = ["apache2", "curl", "libcurl4", "libmicrohttpd12", "python3", "zlib1g"]
RESOURCE, ISSUER = "https://localhost/mcp", "https://login.example.com/"
CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}'
VHOSTS = """DirectoryIndex index.php index.html

<VirtualHost *:80>
  ServerName localhost
  DocumentRoot "/var/www/site"
  <Directory "/var/www/site">
    AllowOverride All
    Options -Indexes +FollowSymLinks
    Require all granted
  </Directory>
</VirtualHost>

<VirtualHost *:443>
  ServerName localhost
  DocumentRoot "/var/www/site"
  SSLEngine on
  SSLCertificateFile /etc/ssl/certificate.pem
  SSLCertificateKeyFile /etc/ssl/private/key.pem
</VirtualHost>
"""
VARIABLES = {
    "mcpauth_service_manager": "none", "mcpauth_resource_url": RESOURCE, "mcpauth_upstream_url": "http://127.0.0.1:3000/mcp",
    "mcpauth_issuers": [{"url": ISSUER, "jwks": "file:/etc/login.jwks"}],
    # The roots lie on the machine's own disk or overlay: not what is looked at here.
    "mcpauth_spool_tmpfs": "allow", "mcpauth_min_free_mb": 16,
}
# In the host's network: steady calls, one connection kept as clients do; what was not answered with 200 is told at the end.
STEADY = """
import collections, json, sys, threading
sys.path.insert(0, sys.argv[1])
from harness.load import Load
with Load(80, token=sys.argv[2], rate=20, threads=2) as load:
    print("ready", flush=True)
    sys.stdin.read()
print(json.dumps({"statuses": load.statuses, "failures": [str(f) for f in load.failures]}))
"""

# What stands for systemd in a root without one: it writes down what it was told, and does the part of it that a test can see.
SYSTEMCTL = """#!/bin/sh
daemon() { awk '$2 == "(mcpauth-admind)" { print $1 }' /proc/[0-9]*/stat 2>/dev/null; }
stop() { kill $(daemon) 2>/dev/null; while [ -n "$(daemon)" ]; do sleep 0.1; done; }
case "$*" in
"show "*) printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n'; exit ;;
is-enabled*) echo enabled; exit ;;
esac
echo "$*" >>/var/log/systemctl.log
case "$*" in
"reload apache2") exec apachectl graceful ;;
"restart mcpauth-admind.service") stop; exec runuser -u mcpauth -- /usr/local/sbin/mcpauth-admind -c /etc/mcpauth/mcpauth-admind.conf </dev/null >/dev/null 2>&1 ;;
"stop mcpauth-admind.service") stop ;;
esac
"""


class Key:
    """An issuer without a server: its key's public half goes to the hosts in a file."""

    def __init__(self):
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key()))
        self.jwks = json.dumps({"keys": [{**{k: v for k, v in public.items() if k != "key_ops"}, "kid": "one", "alg": "RS256", "use": "sig"}]})

    def token(self, scope="mcp:tools.exec"):
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": RESOURCE, "sub": "alice", "client_id": "test", "scope": scope, "iat": now - 5, "exp": now + 3600, "jti": os.urandom(8).hex()}
        return jwt.encode(claims, self.private, algorithm="RS256", headers={"typ": "at+jwt", "kid": "one"})


class Host:
    """A root whose Apache serves a site on 80 and 443, with an MCP server on 3000."""

    def __init__(self, root, folder, key):
        self.root, self.folder, self.key = root, folder, key
        self.daemon = self.steady = None
        tls = Tls(folder)
        self.certificate = tls.certificate
        self.write("etc/ssl/certificate.pem", tls.certificate.read_text())
        self.write("etc/ssl/private/key.pem", tls.key.read_text())
        self.write("etc/login.jwks", key.jwks)
        self.write("var/www/site/index.html", "the site\n")
        self.write("etc/apache2/sites-available/vhosts.conf", VHOSTS)
        for link in ("mods-enabled/ssl.load", "mods-enabled/ssl.conf", "mods-enabled/socache_shmcb.load", "sites-enabled/vhosts.conf"):
            self.path(f"etc/apache2/{link}").symlink_to(f"../{link.replace('enabled', 'available')}")
        self.path("etc/apache2/sites-enabled/000-default.conf").unlink()
        root.run(["apachectl", "start"])
        self.upstream = subprocess.Popen([*root.enter(), "/usr/bin/python3", HERE / "tour/mcp_server.py", "3000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
        wait_until(lambda: self.site() == "the site\n" and self.ask("http://127.0.0.1:3000/mcp", body=CALL)[0] == 200, 20, "site and MCP server answer")
        self.pid = self.apache()

    def path(self, name):
        return self.root.path / name

    def write(self, name, text):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def apache(self):
        return self.path("run/apache2/apache2.pid").read_text()

    def ask(self, url, token=None, body=None):
        """(status, body) of a request from the host itself."""
        argv = [*self.root.enter(), "curl", "-s", "-m", "20", "-w", "%{http_code}", "--cacert", self.certificate, url]
        argv += ["-H", f"Authorization: Bearer {token}"] if token else []
        argv += ["-H", "Content-Type: application/json", "-H", "Accept: application/json, text/event-stream", "-d", body] if body else []
        said = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=60, check=False).stdout
        return int(said[-3:]), said[:-3]

    def site(self):
        return self.ask("https://localhost/")[1]

    def call(self, token=None):
        return self.ask(RESOURCE, token, CALL)

    def untouched(self):
        """The Apache of the beginning serves the site."""
        return self.apache() == self.pid and self.site() == "the site\n"

    def start_daemon(self):
        """As a container's start-up would."""
        self.root.run(["install", "-d", "-o", "mcpauth", "-g", "www-data", "-m", "2755", "/run/mcpauth"])
        self.daemon = self.root.spawn(["runuser", "-u", "mcpauth", "--", "/usr/local/sbin/mcpauth-admind", "-f", "-c", "/etc/mcpauth/mcpauth-admind.conf"], self.folder / "daemon.log")
        wait_until(lambda: self.ask("http://127.0.0.1:9860/healthz")[0] == 200, 20, "the daemon answers")

    def stop_daemon(self):
        self.root.run(["sh", "-c", "kill $(cat /proc/[0-9]*/stat | awk '$2 == \"(mcpauth-admind)\" { print $1 }')"])
        self.daemon.wait(30)

    def begin_steady(self):
        self.steady = subprocess.Popen([*self.root.enter(), sys.executable, "-B", "-c", STEADY, HERE, self.key.token()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.steady.stdout.readline() == "ready\n"

    def end_steady(self):
        return json.loads(self.steady.communicate(timeout=60)[0])

    def tree(self, *folders):
        """{name: what it is} of every file below."""
        found = {}
        for path in (p for folder in folders for p in self.path(folder).rglob("*")):
            name, info = str(path.relative_to(self.root.path)), path.lstat()
            what = os.readlink(path) if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            found[name] = (what, oct(info.st_mode), info.st_uid, info.st_gid)
        return found

    def close(self):
        self.upstream.terminate()
        self.upstream.wait()
        self.root.close()


@pytest.fixture(scope="module")
def key():
    return Key()


@pytest.fixture(scope="module")
def fleet(key, tmp_path_factory):
    """An Ansible with three hosts."""
    folder = tmp_path_factory.mktemp("ansible")
    ansible = Ansible(folder)
    VARIABLES["mcpauth_tree"] = str(ansible.stage())
    hosts = {}
    try:
        for name in ("web1", "web2", "web3"):
            (folder / name).mkdir()
            hosts[name] = Host(make_root(folder / name / "root", PACKAGES), folder / name, key)
        ansible.hosts = {name: host.root for name, host in hosts.items()}
        ansible.machines = hosts
        yield ansible
    finally:
        for host in hosts.values():
            host.close()


@pytest.fixture
def web1(fleet):
    return fleet.machines["web1"]


APACHE = ("etc/apache2", "usr/lib/apache2")
ALL = (*APACHE, "etc/mcpauth", "etc/passwd", "usr/local", "var/lib/mcpauth", "var/spool", "var/log/mcpauth", "run/mcpauth")


def test_check_mode_on_a_fresh_host_says_what_would_change_and_changes_nothing(fleet, web1):
    before = web1.tree(*ALL)
    fleet.before = web1.tree(*APACHE)
    play = fleet.play(VARIABLES, "--check", "--diff", "--limit", "web1").good()
    assert len(play.changed["web1"]) >= 5 and any("Apache its fragment" in task for task in play.changed["web1"])
    assert web1.tree(*ALL) == before and web1.untouched()


def test_an_interrupted_first_run_leaves_apache_serving(fleet, web1):
    """Everything of the run is killed while it is at work on the host; the next test is the run that finds what it left."""
    argv = fleet.argv(VARIABLES, "--limit", "web1")
    with subprocess.Popen(argv, env=fleet.env, cwd=fleet.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        wait_until(lambda: web1.path("var/cache/mcpauth/mcpauth-admind").exists() or process.poll() is not None, 120, "the run has begun")
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
    assert not web1.path("etc/mcpauth/mcpauth-admind.conf").exists() and web1.untouched()


def test_the_role_guards_the_location_and_the_site_is_as_before(fleet, web1):
    """Without a daemon at first, which is somebody else's to start here; the token is good once it runs, or before."""
    play = fleet.play(VARIABLES, "--limit", "web1").good()
    assert any("Apache its fragment" in task for task in play.changed["web1"]) and web1.untouched()
    status, said = web1.call()
    assert status == 401 and json.loads(said)
    web1.start_daemon()
    assert web1.call(web1.key.token())[0] == 200 and "Echo: hello" in web1.call(web1.key.token())[1]
    theirs = {name: what for name, what in web1.tree(*APACHE).items() if name in fleet.before}
    assert theirs == fleet.before, "nothing that was there is changed"


def test_a_second_run_changes_nothing(fleet, web1):
    before = web1.tree(*ALL)
    play = fleet.play(VARIABLES, "--limit", "web1").good()
    assert play.stats["web1"]["changed"] == 0 and not play.changed
    after = web1.tree(*ALL)
    assert {name for name in {*before, *after} if before.get(name) != after.get(name) and "/mcpauth/" in name and "etc" in name} == set()


def test_the_probe_has_nothing_to_complain_of(web1):
    web1.write("root/good.token", web1.key.token())
    web1.write("root/low.token", web1.key.token("mcp:tools.read"))
    web1.write("root/ca.pem", web1.certificate.read_text())
    done = web1.root.run(["mcpauthctl", "probe", RESOURCE, "--ca", "/root/ca.pem", "--no-issuer", "--token-file", "/root/good.token", "--low-token-file", "/root/low.token", "--json"],
                         check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["good"] and report["passed"] > 20, [c for c in report["checks"] if c["outcome"] == "fail"]


def location(**more):
    return {"mcpauth_locations": [{"path": "/mcp", "resource": RESOURCE, **more}]}


BROKEN = {
    "nothing to guard": ({"mcpauth_resource_url": ""}, "Nothing is to be guarded: set mcpauth_resource_url, or mcpauth_locations."),
    "no issuer": ({"mcpauth_issuers": []}, "A Location has no issuer"),
    "jwks and secret": ({"mcpauth_issuers": [{"url": ISSUER, "jwks": "discover", "secret": "x"}]}, "An issuer has both jwks and secret"),
    "an unknown secret": ({"mcpauth_issuers": [{"url": ISSUER, "secret": "x"}]}, "An issuer names a secret that mcpauth_secrets does not have"),
    "a quote": (location(scopes=['a" b']), "mcpauth_locations has a value with a quote"),
    "a line break": ({"mcpauth_daemon_settings": {"LogLevel": "info\nListen 0.0.0.0:1"}}, "mcpauth_daemon_settings has a value with a quote, a backslash, a line break"),
    "a variable of httpd": ({"mcpauth_session_timeout": "${HOME}"}, "mcpauth_session_timeout has a value with"),
    "no path": (location(path="mcp"), "A path in mcpauth_locations is no path"),
    "a path with a tag": (location(path="/mcp>"), "A path in mcpauth_locations is no path"),
    "twice": ({"mcpauth_locations": location()["mcpauth_locations"] * 2}, "A path stands twice in mcpauth_locations"),
    "no URL": (location(resource="mcp.example.com"), "A resource is no http or https URL"),
    "a rate": (location(limits=[{"key": "subject", "rate": "often"}]), "A rate in limits is not of the form 100/min"),
    "an operation": (location(operations=[{"operation": "tools/call"}]), "An entry of operations needs one of scopes and action"),
    "a foreign directive": (location(settings={"Options": "ExecCGI"}), "no directive of mod_mcp_auth"),
    "an own directive": (location(settings={"MCPAuthScope": "x"}), "has a directive that has a variable of its own"),
    "an own directive in other letters": (location(settings={"MCPAuthSCope": "x"}), "has a directive that has a variable of its own"),
    "a path that joins badly": (location(path="/", upstream="http://127.0.0.1:3000/api"), "ends in / and its upstream does not"),
    "the world": ({"mcpauth_listen": "0.0.0.0:9860"}, "mcpauth_listen is not on loopback"),
    "an own key": ({"mcpauth_daemon_settings": {"listen": "x"}}, "has a key that the role sets itself"),
    "no tree": ({"mcpauth_tree": "/nowhere"}, "mcpauth_tree is no folder on the controller"),
    "packages and tree": ({"mcpauth_packages": ["x"]}, "mcpauth_packages and mcpauth_install contradict each other"),
    "a word": ({"mcpauth_state": "gone"}, "value of mcpauth_state must be one of: present, absent, got: gone"),
    "a missing part": ({"mcpauth_locations": [{"path": "/mcp"}]}, "missing required arguments: resource found in mcpauth_locations"),
    "a slip of the pen": (location(scope=["x"]), "scope. Supported parameters include"),
    "a type": ({"mcpauth_key_wait_ms": "soon"}, "mcpauth_key_wait_ms"),
    "a name of a secret": ({"mcpauth_secrets": [{"name": "../x", "content": "s3cr3t-s3cr3t-s3cr3t", "reader": "daemon"}]}, "A name in mcpauth_secrets is no plain file name"),
    "no room": ({"mcpauth_min_free_mb": 2 ** 40}, "mcpauth_min_free_mb asks for"),
    "the port of another": ({"mcpauth_listen": "127.0.0.1:3000"}, "Port 3000 is taken by python3"),
}


def test_broken_variables_give_one_clear_sentence_each_and_change_nothing(fleet, web1):
    """All of them in one run: one host for each set, all of them the same root."""
    before = web1.tree("etc", "usr/local", "usr/lib/apache2")
    alone = json.loads(fleet.inventory().read_text())["all"]["hosts"]["web1"]
    names = {f"host{i}": kind for i, kind in enumerate(BROKEN)}
    hosts = {name: {**alone, **VARIABLES, **BROKEN[kind][0]} for name, kind in names.items()}
    (fleet.folder / "broken.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    (fleet.folder / "broken.yml").write_text("- hosts: all\n  gather_subset: ['!all', '!min', distribution]\n  roles: [mcpauth.gateway.mcpauth]\n")
    play = fleet.play({}, "-i", str(fleet.folder / "broken.json"), "--limit", "host*", "--forks", "4", playbook=str(fleet.folder / "broken.yml"))
    said = {kind: str(play.failed.get(name)).replace("Validation of arguments failed:\n", "") for name, kind in names.items()}
    wrong = {kind: text for kind, text in said.items() if BROKEN[kind][1] not in text or "\n" in text.strip()}
    assert wrong == {} and play.status != 0
    assert not play.changed and web1.tree("etc", "usr/local", "usr/lib/apache2") == before and web1.untouched()
    assert "s3cr3t-s3cr3t" not in play.text


def test_a_location_that_another_module_guards_is_refused(fleet, web1):
    """On the way of a whole run; what else preflight finds is looked at in test_ansible_modules.py."""
    site = web1.path("etc/apache2/sites-available/vhosts.conf")
    site.write_text(VHOSTS + '<Location "/mcp">\n  AuthType openid-connect\n</Location>\n')
    try:
        play = fleet.play(VARIABLES, "--limit", "web1")
        assert "Location /mcp is guarded by another module already (AuthType openid-connect, /etc/apache2/sites-enabled/vhosts.conf:" in play.failed["web1"]
        assert not play.changed and web1.untouched()
    finally:
        site.write_text(VHOSTS)


def test_secrets_are_in_their_files_and_nowhere_else(fleet, web1):
    secret = "c4n4ry" + os.urandom(20).hex()
    more = {**VARIABLES, "mcpauth_secrets": [{"name": "webhook", "content": secret, "reader": "daemon"}, {"name": "hs", "content": secret, "reader": "httpd"}],
            "mcpauth_daemon_settings": {"Webhook": "https://hooks.example.com/x secret-file=/etc/mcpauth/secrets/webhook", "Alert": ["auth_failures threshold=20 window=5min"]}}
    play = fleet.play(more, "--limit", "web1", "--diff", "-vvv").good()
    assert secret not in play.text and "/etc/mcpauth/mcpauth-admind.conf" in play.text
    found = web1.path("etc/mcpauth/secrets")
    for name, user in (("webhook", "mcpauth"), ("hs", "root")):
        assert (found / name).read_text() == secret and (found / name).stat().st_mode & 0o777 == 0o600
        assert web1.root.run(["stat", "-c", "%U", f"/etc/mcpauth/secrets/{name}"]).stdout.strip() == user
    assert all(secret not in p.read_text(errors="replace") for p in web1.path("etc").rglob("*") if p.is_file() and p.parent != found)


def test_a_secret_that_apache_refuses_is_put_back_and_the_next_run_is_not_locked_out(fleet, web1):
    """Three mistakes: in a run, on the disk already, and in a module that cannot be loaded."""
    def shared(secret):
        issuers = [*VARIABLES["mcpauth_issuers"], {"url": "https://hs.example.com/", "secret": "shared", "algorithms": ["HS256"]}]
        return {**VARIABLES, "mcpauth_issuers": issuers, "mcpauth_secrets": [{"name": "shared", "content": secret, "reader": "httpd"}]}

    good, short = os.urandom(24).hex(), "sh0rt" + os.urandom(4).hex()
    fleet.play(shared(good), "--limit", "web1").good()
    before = web1.tree("etc", "usr/local", "usr/lib/apache2")
    play = fleet.play(shared(short), "--limit", "web1", "-vvv", "--diff")
    assert play.failed["web1"].startswith("Apache refuses the new configuration:") and play.failed["web1"].endswith("the files are as they were"), play.failed
    assert short not in play.text and good not in play.text
    assert web1.tree("etc", "usr/local", "usr/lib/apache2") == before and web1.root.run(["apachectl", "-t"], check=False).returncode == 0
    web1.path("etc/mcpauth/secrets/shared").write_text(short)
    assert web1.root.run(["apachectl", "-t"], check=False).returncode != 0
    fleet.play(shared(good), "--limit", "web1").good()
    module = web1.path("usr/lib/apache2/modules/mod_mcp_auth.so")
    module.unlink()
    module.write_text("no module")
    fleet.play(VARIABLES, "--limit", "web1").good()
    assert web1.root.run(["apachectl", "-t"], check=False).returncode == 0 and web1.untouched()


def test_a_module_that_apache_refuses_is_put_back(fleet, web1):
    """A tree for another machine, say."""
    staged = next((fleet.folder / "stage").rglob("mod_mcp_auth.so"))
    right, before = staged.read_bytes(), web1.tree("etc", "usr/local", "usr/lib/apache2")
    staged.write_bytes(b"no module")
    try:
        play = fleet.play(VARIABLES, "--limit", "web1")
        assert "Apache refuses the new configuration" in play.failed["web1"] and web1.tree("etc", "usr/local", "usr/lib/apache2") == before and web1.untouched()
    finally:
        staged.write_bytes(right)
    fleet.play(VARIABLES, "--limit", "web1").good()


def test_what_the_daemon_refuses_is_put_back(fleet, web1):
    before = web1.tree("etc")
    play = fleet.play({**VARIABLES, "mcpauth_daemon_settings": {"LogLevle": "info"}}, "--limit", "web1")
    assert play.failed["web1"].startswith("The daemon refuses the new configuration:") and "LogLevel" in play.failed["web1"] and web1.tree("etc") == before


def test_a_rolling_change_refuses_no_request(fleet):
    """The other two hosts first get what the first one has. Then a change goes over all three, with calls coming in at every one of them."""
    hosts = fleet.machines
    fleet.play({**VARIABLES, "mcpauth_serial": 3}).good()
    for name in ("web2", "web3"):
        hosts[name].start_daemon()
    for host in hosts.values():
        host.begin_steady()
    limited = {**VARIABLES, **location(scopes=["mcp:tools.read"], upstream="http://127.0.0.1:3000/mcp", limits=[{"key": "subject", "rate": "100000/min"}],
                                       operations=[{"operation": "tools/call:purge*", "action": "denied"}], settings={"MCPAuthMaxLength": ["name 100", "uri 1k"]})}
    play = fleet.play(limited)
    seen = {name: host.end_steady() for name, host in hosts.items()}
    play.good()
    assert play.order == ["web1", "web2", "web3"] and all(len(play.changed[name]) == 1 for name in hosts), play.changed
    for name, found in seen.items():
        assert set(found["statuses"]) == {"200"} and found["statuses"]["200"] > 50 and not found["failures"], f"{name}: {found}"
    for host in hosts.values():
        assert host.untouched() and 'MCPAuthOperation "tools/call:purge*" denied' in host.path("etc/apache2/conf-enabled/mcpauth.conf").read_text()


def test_a_bad_change_ends_at_the_first_host_and_is_put_back_there(fleet):
    """Apache's own test refuses it: the keys' file is not there."""
    hosts = fleet.machines
    before = {name: host.tree("etc") for name, host in hosts.items()}
    play = fleet.play({**VARIABLES, "mcpauth_issuers": [{"url": ISSUER, "jwks": "file:/etc/missing.jwks"}]})
    assert set(play.failed) == {"web1"} and "web2" not in play.stats
    said = play.failed["web1"]
    assert said.startswith("Apache refuses the new configuration:") and "/etc/missing.jwks" in said and said.endswith("the files are as they were") and "\n" not in said
    for name, host in hosts.items():
        assert host.tree("etc") == before[name] and host.untouched() and host.call(host.key.token())[0] == 200


def test_with_systemd_the_units_are_in_place_and_only_what_changed_is_restarted(fleet):
    """systemctl is a stand-in: a root has no systemd of its own. What the units say is tested elsewhere, against systemd itself."""
    host = fleet.machines["web3"]
    log = host.path("var/log/systemctl.log")
    host.write("usr/bin/systemctl", SYSTEMCTL)
    host.path("usr/bin/systemctl").chmod(0o755)
    units = {**VARIABLES, "mcpauth_service_manager": "systemd"}
    told = ["daemon-reload", "-q enable mcpauth-admind.service", "restart mcpauth-admind.service"]

    def said(variables):
        log.write_text("")
        fleet.play(variables, "--limit", "web3").good()
        return log.read_text().splitlines()

    assert said(units) == [*told, "reload apache2"]
    for name, place in (("mcpauth-admind.service", "mcpauth-admind.service"), ("apache2.service.d/mcpauth.conf", "apache2.service.d/mcpauth.conf")):
        staged = next((fleet.folder / "stage").rglob(f"systemd/system/{name}"))
        assert host.path(f"etc/systemd/system/{place}").read_text() == staged.read_text()
    assert "/run/mcpauth" in host.path("etc/tmpfiles.d/mcpauth.conf").read_text() and host.path("etc/mcpauth/credentials").stat().st_mode & 0o777 == 0o700
    assert said(units) == []
    assert said({**units, "mcpauth_daemon_settings": {"LogLevel": "info"}}) == told and host.call(host.key.token())[0] == 200
    gone = said({**units, "mcpauth_state": "absent"})
    assert gone[0] == "reload apache2" and {"stop mcpauth-admind.service", "disable mcpauth-admind.service"} <= set(gone) and gone[-1] == "daemon-reload", gone
    assert not [p for p in host.path("etc/systemd").rglob("*mcpauth*")] and not host.path("etc/systemd/system/apache2.service.d").exists() and host.untouched()


def test_absent_leaves_apache_as_it_was(fleet, web1):
    """What others have put beside the role's files stays."""
    web1.write("etc/mcpauth/credentials/theirs", "x")
    play = fleet.play({**VARIABLES, "mcpauth_state": "absent"}, "--limit", "web1").good()
    assert play.changed and web1.tree(*APACHE) == fleet.before and web1.untouched()
    wait_until(lambda: web1.call()[0] == 404, 20, "nothing is behind the path any more")
    assert set(web1.tree("etc/mcpauth")) == {"etc/mcpauth/credentials", "etc/mcpauth/credentials/theirs"}
    assert not list(web1.path("usr/local").rglob("mcpauth*")) and not web1.path("var/cache/mcpauth").exists()
    assert list(web1.path("var/log/mcpauth").glob("*.jsonl*")), "the journal is evidence"
    assert fleet.play({**VARIABLES, "mcpauth_state": "absent"}, "--limit", "web1").good().stats["web1"]["changed"] == 0


def test_absent_with_the_data_leaves_nothing(fleet, web1):
    web1.stop_daemon()
    fleet.play({**VARIABLES, "mcpauth_state": "absent", "mcpauth_remove_data": True}, "--limit", "web1").good()
    for name in ("var/log/mcpauth", "var/spool/mcpauth", "var/lib/mcpauth"):
        assert not web1.path(name).exists()
    assert "mcpauth" not in web1.path("etc/passwd").read_text() and web1.untouched()
