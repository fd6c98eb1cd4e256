#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Looks at a host before anything is changed there."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: preflight
short_description: Find what would keep mcpauth from working on this host, before anything is changed
description:
  - Looks at Apache, at what its configuration says of the same Locations, at the daemon's port and at the space on the disks. It changes nothing.
  - Fails with one sentence for each obstacle, each with the mend.
options:
  apachectl:
    description: Apache's control program.
    type: str
    required: true
  oldest:
    description: The oldest version of Apache that will do.
    type: str
    required: true
  module_dir:
    description: Where Apache's modules are.
    type: str
    required: true
  own_files:
    description: Files in Apache's configuration that are the role's own.
    type: list
    elements: str
    default: []
  own_places:
    description: What the role puts in place besides; a complaint of Apache that names it, one of the files, or a message of the module, is the next step's to mend.
    type: list
    elements: str
    default: []
  undo:
    description: While this file exists, an interrupted run is to be undone first, and Apache's configuration is not judged.
    type: str
    default: ""
  locations:
    description: Each with C(path), and C(upstream) where requests are to be passed on.
    type: list
    elements: dict
    default: []
  listen:
    description: Address and port of the daemon's HTTP.
    type: str
    default: ""
  daemon:
    description: Name of the program that may have that port already.
    type: str
    default: mcpauth-admind
  directories:
    description: Directories that need room; the nearest one that exists is looked at.
    type: list
    elements: str
    default: []
  free_mb:
    description: So much room each of them needs.
    type: int
    default: 0
author:
  - The mcpauth project
"""

EXAMPLES = r"""
- name: Look before anything is changed
  mcpauth.gateway.preflight:
    apachectl: /usr/sbin/apachectl
    oldest: 2.4.52
    module_dir: /usr/lib/apache2/modules
    listen: 127.0.0.1:9860
"""

RETURN = r"""
apache_version:
  description: What Apache says its version is.
  type: str
  returned: success
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule

LISTENING = "0A"
COMMAND_SECONDS = 120
CONFIGURATION_BYTES = 4 * 1024 * 1024


def numbers(version):
    return [int(n) for n in re.findall(r"\d+", version)[:3]]


def listeners(port):
    """Inodes of the sockets that listen on a TCP port, on any address: a wildcard is in the way of loopback too."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table) as f:
                rows = [line.split() for line in f.readlines()[1:]]
        except EnvironmentError:
            continue
        found.update(row[9] for row in rows if row[3] == LISTENING and int(row[1].rsplit(":", 1)[1], 16) == port)
    return found


def owner(inodes):
    """(name, pid) of a process that has one of these sockets."""
    wanted = set("socket:[%s]" % inode for inode in inodes)
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        try:
            folder = "/proc/%s/fd" % pid
            if any(os.readlink("%s/%s" % (folder, fd)) in wanted for fd in os.listdir(folder)):
                with open("/proc/%s/comm" % pid) as f:
                    return f.read().strip(), pid
        except EnvironmentError:
            continue
    return "another program", "?"


def sections(lines):
    """(number, path of the <Location> around it or None, directive, first argument) of each line. A regular expression for paths stands as it is after "~"."""
    path = None
    for number, line in enumerate(lines, 1):
        opening = re.match(r"\s*<Location(Match\s|\s+~|)\s*\"?([^\">]+?)\"?\s*>", line, re.I)
        if opening:
            path = ("~" if opening.group(1) else "") + opening.group(2).strip()
        elif re.match(r"\s*</Location(Match)?>", line, re.I):
            path = None
        else:
            words = re.match(r"\s*(\w+)\s+\"?([^\s\"]+)", line)
            if words:
                yield number, path, words.group(1).lower(), words.group(2)


def matching(pattern, paths):
    """The first path that a <LocationMatch> has in it, or None. Apache's expressions are nearly Python's; what only Apache understands matches nothing."""
    try:
        return next((path for path in paths if re.search(pattern, path or "/")), None)
    except re.error:
        return None


class Preflight(object):
    def __init__(self, module):
        self.module = module
        self.p = module.params
        self.version = ""
        self.problems = []

    def ask(self, *options):
        """What apachectl says; one that waits for a passphrase must not keep the host for ever."""
        return self.module.run_command(["timeout", "--foreground", "-k", "5", str(COMMAND_SECONDS), self.p["apachectl"]] + list(options))

    def apache(self):
        """Whether there is one at all."""
        if not os.access(self.p["apachectl"], os.X_OK):
            self.problems.append("there is no Apache on this host (%s is missing): install it first" % self.p["apachectl"])
            return False
        out = self.ask("-v")[1]
        found = re.search(r"Apache/(\d+\.\d+\.\d+)", out)
        self.version = found.group(1) if found else ""
        if not found or numbers(self.version) < numbers(self.p["oldest"]):
            self.problems.append("this host's Apache is %s, and mcpauth needs %s or later: upgrade Apache first" % (self.version or "of an unknown version", self.p["oldest"]))
        return True

    def configuration(self):
        """Whether it is good as it is now: what was broken before is not ours to judge by."""
        if self.p["undo"] and os.path.exists(self.p["undo"]):
            return
        status, out, err = self.ask("-t")
        ours = any(place in out + err for place in self.p["own_files"] + self.p["own_places"]) or re.search(r"\bMCPA\d{4}\b", out + err)
        if status and not ours:
            said = " ".join(line for line in (out + err).splitlines() if line and not re.match(r"AH00558|Action '|The Apache error", line))
            self.problems.append("Apache's configuration was broken before this role came, so nothing is changed: %s" % said)

    def foreign_lines(self):
        """(file, number, Location, directive, argument) of all that is not the role's own."""
        own = set(os.path.realpath(path) for path in self.p["own_files"])
        out = self.ask("-t", "-D", "DUMP_INCLUDES")[1]
        for name in re.findall(r"^\s*\([*\d]+\)\s+(/.*)$", out, re.M):
            if os.path.realpath(name) in own or not os.path.isfile(name):
                continue
            with open(name, "rb") as f:
                text = f.read(CONFIGURATION_BYTES).decode("utf-8", "replace")
            for found in sections(re.sub(r"\\\n", " ", text).split("\n")):
                yield (name,) + found

    def conflicts(self):
        guarded = dict((entry["path"].rstrip("/"), entry) for entry in self.p["locations"])
        for name, number, path, directive, argument in self.foreign_lines():
            where = "%s:%d" % (name, number)
            if path and path.startswith("~"):
                path = matching(path[1:], guarded)
                if directive == "proxypass":
                    continue
            entry = guarded.get(path.rstrip("/")) if path is not None else None
            if directive == "loadmodule" and argument == "mcp_auth_module":
                self.problems.append("another file loads mcp_auth_module (%s): take that line out, the role loads it" % where)
            elif directive == "authtype" and entry and argument.lower() != "none":
                self.problems.append("Location %s is guarded by another module already (AuthType %s, %s): take that out, or leave the Location out of mcpauth_locations"
                                     % (path, argument, where))
            elif directive == "mcpauth" and entry:
                self.problems.append("Location %s is in mcpauth_locations and also at %s: write it in one place" % (path, where))
            elif directive == "proxypass":
                place = path or argument
                entry = guarded.get(place.rstrip("/"))
                if entry and entry.get("upstream"):
                    self.problems.append("%s is passed on already at %s: take that line out, or leave upstream out of mcpauth_locations" % (place, where))

    def proxy(self):
        if any(entry.get("upstream") for entry in self.p["locations"]):
            for name in ("mod_proxy.so", "mod_proxy_http.so"):
                if not os.path.exists(os.path.join(self.p["module_dir"], name)):
                    self.problems.append("an upstream needs %s, which is not in %s: install it" % (name, self.p["module_dir"]))

    def port(self):
        found = re.match(r".*:(\d+)$", self.p["listen"])
        inodes = listeners(int(found.group(1))) if found and not self.p["listen"].startswith("unix:") else None
        if inodes:
            name, pid = owner(inodes)
            if name != self.p["daemon"][:15]:
                self.problems.append("port %s is taken by %s (process %s): stop that, or set mcpauth_listen to another port" % (found.group(1), name, pid))

    def room(self):
        short = {}
        for path in self.p["directories"]:
            there = path
            while not os.path.isdir(there):
                there = os.path.dirname(there)
            disk = os.statvfs(there)
            free = disk.f_bavail * disk.f_frsize // (1024 * 1024)
            if free < self.p["free_mb"]:
                short.setdefault((os.stat(there).st_dev, free), path)
        for (device, free), path in sorted(short.items()):
            self.problems.append("%s has %d MB of room, and mcpauth_min_free_mb asks for %d: make room first" % (path, free, self.p["free_mb"]))

    def main(self):
        if self.apache():
            self.configuration()
            if not self.problems:
                self.conflicts()
            self.proxy()
        self.port()
        self.room()
        if self.problems:
            self.module.fail_json(msg=". ".join(p[0].upper() + p[1:] for p in self.problems) + ".", problems=self.problems)
        self.module.exit_json(changed=False, apache_version=self.version)


def main():
    texts = {"type": "list", "elements": "str", "default": []}
    Preflight(AnsibleModule(supports_check_mode=True, argument_spec={
        "apachectl": {"type": "str", "required": True}, "oldest": {"type": "str", "required": True},
        "module_dir": {"type": "str", "required": True}, "own_files": texts, "own_places": texts, "undo": {"type": "str", "default": ""},
        "locations": {"type": "list", "elements": "dict", "default": []}, "listen": {"type": "str", "default": ""},
        "daemon": {"type": "str", "default": "mcpauth-admind"}, "directories": texts, "free_mb": {"type": "int", "default": 0}})).main()


if __name__ == "__main__":
    main()
