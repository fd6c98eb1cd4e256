# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Ansible collection share: the tables that its README has to have, and running a playbook on Debian roots."""
import json
import re
import shutil
import subprocess

import yaml

from harness import SOURCE, paths

COLLECTION = SOURCE / "ansible"
ROLE = COLLECTION / "roles/mcpauth"
SPECS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text())


def words(text):
    """A description's C(...) as Markdown writes it."""
    return re.sub(r"C\((.*?)\)", r"`\1`", text).replace("|", "\\|")


def type_of(spec):
    if "choices" in spec:
        return " ".join(f"`{c}`" for c in spec["choices"])
    return f"list of {spec['elements']}" if spec["type"] == "list" else spec["type"]


def default_of(name):
    value = DEFAULTS[name]
    if isinstance(value, str) and "{{" in value:
        return "see there"
    return "–" if value in ("", [], {}) else f"`{json.dumps(value) if not isinstance(value, str) else value}`"


def variables_table():
    rows = [f"| `{name}` | {type_of(spec)} | {default_of(name)} | {words(spec['description'])} |" for name, spec in SPECS.items()]
    return "\n".join(["| variable | type | default | meaning |", "|---|---|---|---|", *rows])


def nested_tables():
    """Of the variables that are lists of dicts."""
    parts = []
    for name, spec in SPECS.items():
        if spec.get("elements") != "dict":
            continue
        rows, inner = [], [(key, option) for key, option in spec["options"].items()]
        for key, option in inner:
            rows.append(f"| `{key}`{' (required)' if option.get('required') else ''} | {type_of(option)} | {words(option['description'])} |")
            if key != "issuers":  # those of a Location are those of mcpauth_issuers
                rows += [f"| `{key}.{k}`{' (required)' if o.get('required') else ''} | {type_of(o)} | {words(o['description'])} |" for k, o in option.get("options", {}).items()]
        parts.append("\n".join([f"**`{name}`**, each:", "", "| key | type | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


class Ansible:
    """ansible-playbook with a home, a collection and a stage of its own below `folder`. hosts: {name: harness.debroot.Root}."""

    def __init__(self, folder):
        self.folder = folder
        self.hosts = {}
        (folder / "home").mkdir()
        self.collection = folder / "collections/ansible_collections/mcpauth/gateway"
        shutil.copytree(COLLECTION, self.collection)
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder / "home"), "LC_ALL": "C.UTF-8", "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
                    "ANSIBLE_PIPELINING": "1", "ANSIBLE_LOCALHOST_WARNING": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_DEPRECATION_WARNINGS": "0", "PYTHONDONTWRITEBYTECODE": "1",
                    "XDG_CACHE_HOME": str(folder / "home/cache")}

    def stage(self):
        """What an operator gives the role as mcpauth_tree."""
        done = subprocess.run(["make", "-s", "-C", paths.BUILD, "install", f"DESTDIR={self.folder}/stage"], timeout=600, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        return self.folder / "stage"

    def inventory(self):
        hosts = {}
        for name, root in self.hosts.items():
            enter = self.folder / f"enter-{name}"
            enter.write_text(f'#!/bin/sh\nexec {" ".join(root.enter())} chroot "$@"\n')
            enter.chmod(0o755)
            hosts[name] = {"ansible_host": str(root.path), "ansible_connection": "community.general.chroot", "ansible_chroot_exe": str(enter),
                           "ansible_python_interpreter": "/usr/bin/python3"}
        (self.folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        return self.folder / "hosts.json"

    def argv(self, variables, *options, playbook="mcpauth.gateway.site"):
        (self.folder / "variables.json").write_text(json.dumps(variables))
        return ["ansible-playbook", "-i", str(self.inventory()), playbook, "-e", f"@{self.folder}/variables.json", *options]

    def play(self, variables, *options, **more):
        """A Play; it may have failed."""
        done = subprocess.run(self.argv(variables, *options, **more), env={**self.env, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}, cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300 * paths.PATIENCE, check=False)
        return Play(done)


class Play:
    """What a run has come to: stats {host: {ok, changed, failures, …}}, failed {host: message}, changed {host: [task]}."""

    def __init__(self, done):
        self.status, self.text = done.returncode, done.stdout + done.stderr
        self.failed, self.changed, self.order = {}, {}, []
        found = json.loads(done.stdout[done.stdout.index("{"):]) if "{" in done.stdout else {"plays": [], "stats": {}}
        self.stats = found["stats"]
        for task in (task for play in found["plays"] for task in play["tasks"]):
            for host, result in task["hosts"].items():
                if host not in self.order:
                    self.order.append(host)
                if result.get("failed") and not result.get("failed_when_result") is False:
                    self.failed[host] = result.get("msg", "")
                if result.get("changed"):
                    self.changed.setdefault(host, []).append(task["task"]["name"])

    def good(self):
        assert self.status == 0 and not self.failed, f"{self.status} {self.failed}\n{self.text[-3000:]}"
        return self
