# SPDX-License-Identifier: Apache-2.0
"""conf/kubernetes: the objects keep to the API's schemas and to the restricted profile, fit each other, and what they describe runs."""
import ipaddress
import json
import re
import subprocess

import pytest
import yaml

from guide_parts import blocks, call, page
from harness import SOURCE, paths
from harness.client import send
from harness.node import Node
from harness.process import free_port, port_answers, wait_until
from module_parts import key_file
from pod_parts import Pod, need_namespaces

FOLDER = SOURCE / "conf/kubernetes"
FILES = sorted(FOLDER.rglob("*.yaml"))
OBJECTS = [document for path in FILES for document in yaml.safe_load_all(path.read_text())]
TEXT = " ".join(page("kubernetes.md").split())
JSON = [("Content-Type", "application/json")]


def merged(base, changes):
    """JSON Merge Patch (RFC 7396), which `kubectl patch --type merge` does."""
    if not isinstance(changes, dict):
        return changes
    found = dict(base) if isinstance(base, dict) else {}
    for name, value in changes.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def one(kind, name="mcpauth"):
    found, = [o for o in OBJECTS if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


DEPLOYMENT = one("Deployment")
CONFIG = one("ConfigMap")["data"]
PODS = {kind: one(kind)["spec"]["template"] for kind in ("Deployment", "StatefulSet")}


def containers(pod):
    return pod["spec"]["initContainers"] + pod["spec"]["containers"]


@pytest.mark.node
def test_every_object_keeps_to_its_schema(world):
    path = world.scratch / "objects.json"

    def problems(objects):
        path.write_text(json.dumps(objects))
        return Node(world.scratch).run("kubernetes.mjs", path)["problems"]

    assert len(OBJECTS) > 8 and problems(OBJECTS) == []
    assert problems([merged(DEPLOYMENT, {"spec": {"template": {"spec": with_secret()}}})]) == []
    assert problems(list(yaml.safe_load_all(with_comments()))) == []
    wrong = merged(DEPLOYMENT, {"spec": {"replicas": "two", "template": {"spec": {"automountServiceAccountTokens": False}}}})
    assert [len(problems([wrong])), len(problems([merged(wrong, {"kind": "Deploymnt"})]))] == [2, 1], "what is wrong is found"


@pytest.mark.node
def test_the_operator_takes_the_rules_as_the_page_says(world):
    head, = [block for block in blocks(page("kubernetes.md"), "yaml") if "PrometheusRule" in block]
    file = SOURCE / "conf/prometheus/mcpauth.rules.yml"
    command = re.search(r"`(sed [^`]*)`", TEXT).group(1)
    done = subprocess.run(["/bin/sh", "-c", command.replace("conf/prometheus", str(file.parent))], stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    made, path = yaml.safe_load(head + done.stdout), world.scratch / "rule.json"
    path.write_text(json.dumps([made]))
    assert Node(world.scratch).run("kubernetes.mjs", path)["problems"] == []
    assert made["spec"] == yaml.safe_load(file.read_text()) and made["metadata"]["namespace"] == one("ServiceMonitor")["metadata"]["namespace"]


def test_the_files_are_clean_yaml():
    rules = "{extends: default, rules: {line-length: {max: 160}, braces: {max-spaces-inside: 1}}}"
    done = subprocess.run([paths.need("yamllint"), "-s", "-d", rules, FOLDER], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", PODS)
def test_the_pod_keeps_to_the_restricted_profile(kind):
    spec = PODS[kind]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec) and spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0 and spec["securityContext"]["runAsGroup"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {key for volume in spec["volumes"] for key in volume} <= {"name", "configMap", "emptyDir", "secret", "projected", "persistentVolumeClaim", "ephemeral", "downwardAPI"}
    for container in containers(PODS[kind]):
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert not any("hostPort" in port for port in container.get("ports", []))
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]) and "memory" in container["resources"]["limits"]
    assert one("Namespace", "mcp")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_set_is_the_deployment_with_a_volume_of_its_own():
    claim = {"metadata": {"name": "audit"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "32Gi"}}}}
    volumes = [volume for volume in PODS["Deployment"]["spec"]["volumes"] if volume["name"] != "audit"]
    less = {"resources": {"requests": {"ephemeral-storage": "64Mi"}}}
    inits = [merged(c, less) if c["name"] == "admind" else c for c in PODS["Deployment"]["spec"]["initContainers"]]
    assert merged(DEPLOYMENT, {"kind": "StatefulSet", "spec": {
        "strategy": None, "serviceName": "mcpauth-metrics", "podManagementPolicy": "Parallel", "volumeClaimTemplates": [claim], "template": {"spec": {"volumes": volumes, "initContainers": inits}},
    }}) == one("StatefulSet")
    assert one("Service", "mcpauth-metrics")["spec"]["clusterIP"] == "None", "a set wants a headless one"


def test_the_objects_fit_each_other():
    labels = PODS["Deployment"]["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for container in containers(PODS["Deployment"]) for port in container.get("ports", [])}
    assert {o["metadata"]["namespace"] for o in OBJECTS if o["kind"] != "Namespace"} == {"mcp"}
    for selector in (DEPLOYMENT["spec"]["selector"]["matchLabels"], one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"], one("Service")["spec"]["selector"],
                     one("Service", "mcpauth-metrics")["spec"]["selector"], one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]):
        assert selector == labels
    monitor, scraped = one("ServiceMonitor")["spec"], one("Service", "mcpauth-metrics")["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= scraped.items() and not monitor["selector"]["matchLabels"].items() <= one("Service")["metadata"]["labels"].items()
    assert {scraped[monitor["jobLabel"]]} == set(re.findall(r'job="(\w+)"', (SOURCE / "conf/prometheus/mcpauth.rules.yml").read_text()))
    assert {port["targetPort"] for o in OBJECTS if o["kind"] == "Service" for port in o["spec"]["ports"]} == set(ports)
    assert {port["port"] for rule in one("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]} == set(ports.values())
    assert {int(port) for port in re.findall(r"^ *Listen (\d+)$", CONFIG["httpd.conf"], re.M)} == set(ports.values())
    assert {endpoint["port"] for endpoint in one("ServiceMonitor")["spec"]["endpoints"]} <= {port["name"] for port in one("Service", "mcpauth-metrics")["spec"]["ports"]}
    assert one("NetworkPolicy", "deny")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    behind = one("NetworkPolicy", "mcp-server")["spec"]
    port = int(re.search(r"ProxyPass +http://mcp-server\.mcp\.svc\.cluster\.local:(\d+)/", CONFIG["httpd.conf"]).group(1))
    assert f" Service `mcp-server` with port {port}." in TEXT
    assert behind["ingress"] == [{"from": [{"podSelector": {"matchLabels": labels}}], "ports": [{"protocol": "TCP", "port": port}]}]
    assert {"to": [{"podSelector": behind["podSelector"]}], "ports": [{"protocol": "TCP", "port": port}]} in one("NetworkPolicy")["spec"]["egress"]


def test_whose_way_out_is_closed_has_one():
    """A pod that a policy selects for Egress may talk to nobody but whom some policy names for it, DNS among them."""
    policies = [o["spec"] for o in OBJECTS if o["kind"] == "NetworkPolicy"]
    pods = [PODS["Deployment"]["metadata"]["labels"], one("NetworkPolicy", "mcp-server")["spec"]["podSelector"]["matchLabels"]]
    for labels in pods:
        out = [spec for spec in policies if spec["podSelector"].get("matchLabels", {}).items() <= labels.items() and "Egress" in spec["policyTypes"]]
        ports = {port["port"] for spec in out for rule in spec.get("egress", []) for port in rule["ports"]}
        assert not out or 53 in ports, labels
    assert any("Egress" in spec["policyTypes"] and spec["podSelector"] == {"matchLabels": pods[0]} for spec in policies), "the gate's own way out is closed but for what it needs"


def with_comments():
    """network.yaml with the lines in force that stand there as comments."""
    return re.sub(r"^( +)# (- ipBlock: .*)$", r"\1\2", (FOLDER / "network.yaml").read_text(), flags=re.M)


def way_out(text):
    """Of the gate: the rules for names and for the world."""
    spec, = [o["spec"] for o in yaml.safe_load_all(text) if o["metadata"]["name"] == "mcpauth"]
    names, world = ([rule for rule in spec["egress"] if port in [p["port"] for p in rule["ports"]]] for port in (53, 443))
    assert [len(names), len(world)] == [1, 1]
    return names[0]["to"], world[0]["to"]


def test_no_private_address_is_let_through():
    names, world = way_out(with_comments())
    before = way_out((FOLDER / "network.yaml").read_text())
    assert [len(names), len(world)] == [len(before[0]) + 1, len(before[1]) + 1] and {"ipBlock": {"cidr": "169.254.20.10/32"}} in names
    blocks_out = [(ipaddress.ip_network(row["ipBlock"]["cidr"]), [ipaddress.ip_network(out) for out in row["ipBlock"]["except"]]) for row in world]
    assert sorted(whole.version for whole, _ in blocks_out) == [4, 6]
    for whole, excepted in blocks_out:
        assert all(out.subnet_of(whole) for out in excepted), "the API takes no other"
        for address in map(ipaddress.ip_address, ["10.1.2.3", "100.64.0.1", "169.254.169.254", "172.31.0.1", "192.168.1.1", "fd00:ec2::254", "fe80::1", "64:ff9b::a9fe:a9fe", "2002:a00:1::"]):
            assert address.version != whole.version or any(address in out for out in excepted), address
        assert not any(ipaddress.ip_address(public) in out for public in ("203.0.113.9", "2a00::1") for out in excepted if out.version == ipaddress.ip_address(public).version)


def test_the_page_names_both_paths_for_the_ingress():
    resource = re.search(r"MCPAuthResource +(\S+)", CONFIG["httpd.conf"]).group(1)
    host, path = re.fullmatch(r"https://([^/]+)(/.*)", resource).groups()
    metadata = PODS["Deployment"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["path"]
    assert metadata == f"/.well-known/oauth-protected-resource{path}"
    assert f" paths of `{host}` to port 80 of the Service `mcpauth`: `{path}`, and `{metadata}`," in TEXT


def test_who_writes_asks_for_the_disk():
    """Else a pod goes where there is no room for its journal, and is among the first that are put out when the disk is full."""
    for kind, pod in PODS.items():
        disks = {volume["name"] for volume in pod["spec"]["volumes"] if "emptyDir" in volume}
        for container in containers(pod):
            writes = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")} & disks
            assert container["name"] == "places" or not writes or "ephemeral-storage" in container["resources"]["requests"], (kind, container["name"])


def test_the_image_is_one_and_has_the_pods_user():
    spec = PODS["Deployment"]["spec"]
    image, = {container["image"] for container in containers(PODS["Deployment"])}
    version = re.search(r"^AC_INIT\(\[mcpauth\], \[(.*?)\]\)", (SOURCE / "configure.ac").read_text(), re.M).group(1)
    assert image.endswith(f"/mcpauth:{version}") and f" -t {image} " in page("kubernetes.md")
    who = spec["securityContext"]
    assert f"\nUSER {who['runAsUser']}:{who['runAsGroup']}\n" in (FOLDER / "Containerfile").read_text()
    passwd = dict(line.split(":")[0:3:2] for line in open("/etc/passwd", encoding="utf-8"))
    assert passwd[re.search(r"^PeerUser +(\S+)$", CONFIG["mcpauth-admind.conf"], re.M).group(1)] == str(who["runAsUser"]), "who may connect is who httpd is"


def test_a_pod_that_goes_has_time_for_its_streams():
    spec = PODS["Deployment"]["spec"]
    command = spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-1]
    graceful = int(re.search(r"GracefulShutdownTimeout (\d+)", CONFIG["httpd.conf"]).group(1)) + int(re.search(r"sleep (\d+);", command).group(1))
    assert graceful + 20 <= spec["terminationGracePeriodSeconds"]


def test_threads_and_bodies_fit_the_pods_memory():
    def figure(name):
        return int(re.search(rf"^ *{name} +(\d+)m?$", CONFIG["httpd.conf"], re.M).group(1))

    threads = figure("MaxRequestWorkers")
    assert figure("ServerLimit") * figure("ThreadsPerChild") == threads == figure("StartServers") * figure("ThreadsPerChild") <= figure("MaxSpareThreads")
    assert figure("MCPAuthMaxStreams") * 8 <= threads, "a few subjects cannot take all of them"
    memory = re.fullmatch(r"(\d+)Mi", PODS["Deployment"]["spec"]["containers"][0]["resources"]["limits"]["memory"]).group(1)
    assert threads * figure("MCPAuthMaxBody") * 2 <= int(memory)
    assert f"A pod has {threads} threads" in TEXT and f"One subject gets {figure('MCPAuthMaxStreams')} streams" in TEXT


def test_prometheus_warns_before_the_daemon_is_killed():
    warns = int(re.search(r"process_resident_memory_bytes.* > (\d+) \* 1024 \* 1024$", (SOURCE / "conf/prometheus/mcpauth.rules.yml").read_text(), re.M).group(1))
    admind, = [c for c in containers(PODS["Deployment"]) if c["name"] == "admind"]
    assert int(re.fullmatch(r"(\d+)Mi", admind["resources"]["limits"]["memory"]).group(1)) >= warns * 3 / 2


def test_no_signing_keys_lie_where_httpd_reads():
    """Both are one user, so an issuer of our own would hand its keys to httpd."""
    assert not re.search(r"^Issuer", CONFIG["mcpauth-admind.conf"], re.M)


def test_containers_have_no_more_than_they_need():
    def mounts(name):
        container, = [c for c in containers(PODS["Deployment"]) if c["name"] == name]
        return {m["mountPath"]: "ro" if m.get("readOnly") else "rw" for m in container["volumeMounts"]}

    assert mounts("httpd") == {"/etc/mcpauth": "ro", "/run/mcpauth": "ro", "/var/lib/mcpauth": "rw", "/var/lib/mcpauth/keys": "ro", "/var/spool/mcpauth": "rw", "/tmp": "rw"}
    assert mounts("admind") == {"/etc/mcpauth": "ro", "/run/mcpauth": "rw", "/var/lib/mcpauth": "ro", "/var/lib/mcpauth/keys": "rw", "/var/spool/mcpauth": "rw", "/var/log/mcpauth": "rw"}


def with_secret():
    """The pod's spec with the lines of the page in the daemon's container."""
    lines, = [block for block in map(yaml.safe_load, blocks(page("kubernetes.md"), "yaml")) if "env" in block]
    spec = merged(PODS["Deployment"]["spec"], {"volumes": [*PODS["Deployment"]["spec"]["volumes"], {"name": "secrets", "secret": {"secretName": "mcpauth", "defaultMode": 0o440}}]})
    spec["initContainers"] = [{**c, **{key: c.get(key, []) + rows for key, rows in lines.items()}} if c["name"] == "admind" else c for c in spec["initContainers"]]
    return spec


# -- the pod ---------------------------------------------------------------------------------------------------------------------------------


class Running:
    def __init__(self, world, name="pod", spec=None, admind_config="", more=None):
        self.issuer, self.upstream = world.issuer(), world.upstream()
        self.port, self.metrics, self.admind = free_port(), free_port(), free_port()
        httpd = CONFIG["httpd.conf"].replace("http://mcp-server.mcp.svc.cluster.local:3000", self.upstream.url)
        httpd = httpd.replace("10.0.0.0/8", "127.0.0.0/8")
        httpd = re.sub(r"^( *MCPAuthIssuer .*)$", r"\1 jwks=file:/etc/mcpauth/jwks.json", httpd, flags=re.M)
        for shown, real in {"8080": self.port, "9861": self.metrics, "9860": self.admind}.items():
            httpd = httpd.replace(f":{shown}", f":{real}").replace(f"Listen {shown}", f"Listen 127.0.0.1:{real}")
        files = {
            "httpd.conf": httpd + "\nMCPAuthSpoolDir /var/spool/mcpauth tmpfs=allow\n",  # wherever the tests' own folder lies
            "mcpauth-admind.conf": CONFIG["mcpauth-admind.conf"] + f"\nListen 127.0.0.1:{self.admind}\n{admind_config}", "jwks.json": key_file(world, self.issuer).read_text(),
            **(more or {}),
        }
        self.pod = Pod(world.scratch / name, spec or PODS["Deployment"]["spec"], files)

    def start(self):
        pod = self.pod
        assert pod.start("places").wait() == 0, pod.log("places")
        pod.start("admind")
        startup = pod.container("admind")["startupProbe"]["exec"]["command"]
        wait_until(lambda: pod.running["admind"].alive and pod.running["admind"].children() and pod.run("admind", *startup)[0] == 0, 30, lambda: pod.log("admind"))
        pod.start("httpd")
        wait_until(lambda: pod.running["httpd"].alive and port_answers(self.port), 30, lambda: pod.log("httpd"))
        started = pod.container("httpd")["startupProbe"]["exec"]["command"]
        wait_until(lambda: pod.run("httpd", *started)[0] == 0, 30, lambda: pod.run("httpd", *started)[1] + pod.log("admind"))
        return self

    def ask(self, token=None):
        return send(self.port, "POST", "/mcp", JSON, call("tools/list"), token).status

    def token(self):
        return self.issuer.mint(iss="https://login.example.com/", aud="https://mcp.example.com/mcp")


@pytest.fixture(scope="module")
def running(module_world):
    need_namespaces(module_world.scratch / "probe")
    pods = Running(module_world)
    try:
        yield pods.start()
    finally:
        pods.pod.stop()


def test_it_guards(running):
    assert [running.ask(), running.ask("x.y.z"), running.ask(running.token())] == [401, 401, 200]
    probe = running.pod.container("httpd")["readinessProbe"]["httpGet"]["path"]
    assert send(running.port, "GET", probe).json()["resource"] == "https://mcp.example.com/mcp"
    assert send(running.port, "GET", "/etc/passwd").status in (403, 404) and send(running.port, "GET", "/metrics").status in (403, 404)


def test_httpd_takes_its_figures_as_they_are(running):
    assert "MaxRequestWorkers" not in running.pod.log("httpd") and "mpm_event" in running.pod.log("httpd")
    assert len(running.pod.run("httpd", "sh", "-c", "grep -l apache2 /proc/[0-9]*/comm")[1].split()) == 1 + 4


def test_records_have_the_client_and_not_the_ingress(running):
    send(running.port, "POST", "/mcp", [*JSON, ("X-Forwarded-For", "203.0.113.9"), ("X-Request-ID", "through-the-ingress")], call("tools/list"))
    search = ["mcpauthctl", "audit", "search", "--request-id", "through-the-ingress", "--json"]
    wait_until(lambda: "through-the-ingress" in running.pod.run("admind", *search)[1], 10, "the record")
    assert json.loads(running.pod.run("admind", *search)[1].splitlines()[0])["ip"] == "203.0.113.9"


def test_prometheus_gets_metrics_and_nothing_else(running):
    assert "mcpauth_build_info" in send(running.metrics, "GET", "/metrics").text
    assert [send(running.metrics, "GET", path).status for path in ("/status", "/keys", "/alerts", "/metrics/../status", "/", "/mcp")] == [403] * 6


@pytest.mark.parametrize("name,place", [("httpd", "/var/lib/mcpauth/keys"), ("httpd", "/run/mcpauth"), ("httpd", "/etc/mcpauth"), ("httpd", "/usr"), ("httpd", "/var/log"),
                                        ("admind", "/var/lib/mcpauth"), ("admind", "/etc/mcpauth"), ("admind", "/tmp")])
def test_who_breaks_into_a_container_cannot_write(running, name, place):
    status, said = running.pod.run(name, "touch", f"{place}/x")
    assert status != 0 and "Read-only file system" in said, said


def test_httpd_has_neither_the_journal_nor_the_daemons_place(running):
    assert running.pod.run("httpd", "ls", "/var/log/mcpauth")[0] != 0
    status, said = running.pod.run("httpd", "mv", "/var/lib/mcpauth/keys", "/var/lib/mcpauth/others")
    assert status != 0 and "busy" in said.lower(), said
    assert "mcpauth-admind" not in running.pod.run("httpd", "sh", "-c", "cat /proc/[0-9]*/comm")[1], "no process of the other's is seen"


def test_the_live_probe_is_the_daemons_own(running):
    live = running.pod.container("admind")["livenessProbe"]["exec"]["command"]
    assert running.pod.run("admind", *live)[0] == 0


def test_a_pod_that_starts_waits_for_keys_but_not_for_ever(running):
    """Once: nothing that asks for the daemon's state later, when an issuer's outage would be one of all pods."""
    assert not any("mcpauthctl status" in " ".join(container.get(probe, {}).get("exec", {}).get("command", []))
                   for container in containers(PODS["Deployment"]) for probe in ("readinessProbe", "livenessProbe"))
    probe = running.pod.container("httpd")["startupProbe"]
    assert running.pod.run("httpd", *probe["exec"]["command"])[0] == 0
    unwell = [*probe["exec"]["command"][:-1], probe["exec"]["command"][-1].replace("mcpauthctl status", "false")]
    assert unwell != probe["exec"]["command"]
    found = []
    for started in ("1 hour ago", "1 minute ago", "in 1 hour"):
        assert running.pod.run("httpd", "touch", "-d", started.removeprefix("in "), "/tmp/httpd.pid")[0] == 0
        found.append(running.pod.run("httpd", *unwell)[0] == 0)
    assert found == [True, True, False] and probe["periodSeconds"] * probe["failureThreshold"] > 60, "it has passed before the kubelet gives up"


def test_a_secret_is_handed_over_as_the_page_says(world):
    need_namespaces(world.scratch / "probe")
    pods = Running(world, "secret", with_secret(), "AdminTokenFile credential:admin.token\n", {"admin.token": "0123456789abcdef0123456789abcdef\n"})
    try:
        pods.start()
        asked = [send(pods.admind, "GET", path).status for path in ("/healthz", "/status", "/metrics")]
        assert asked == [200, 401, 401] and "0123456789abcdef" not in pods.pod.log("admind")
    finally:
        pods.pod.stop()


def test_it_leaves_in_order_and_comes_back_with_everything(running):
    """Last in the file: httpd lets what runs end, the daemon has the records, and a container that starts again on the same volumes goes on."""
    pod = running.pod
    assert running.ask(running.token()) == 200
    stop = pod.container("httpd")["lifecycle"]["preStop"]["exec"]["command"]
    pod.run("httpd", *stop[:-1], stop[-1].replace("sleep 5;", ""))
    wait_until(lambda: not pod.running["httpd"].alive, 20, lambda: pod.log("httpd"))
    assert "SIGWINCH" in pod.log("httpd") or "graceful" in pod.log("httpd")

    def allowed():
        return pod.run("admind", "mcpauthctl", "audit", "search", "--decision", "allow", "--all", "--json")[1].count('"decision":"allow"')

    wait_until(lambda: allowed() >= 2, 10, "both requests are in the journal")
    before = allowed()
    pod.running["admind"].kill()
    running.start()
    assert running.ask(running.token()) == 200
    wait_until(lambda: allowed() == before + 1, 10, "the journal goes on")
    assert pod.run("admind", "mcpauthctl", "audit", "verify")[0] == 0
