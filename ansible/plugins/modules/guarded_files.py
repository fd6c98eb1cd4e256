#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Files of a service that change together: tested before the service takes them, put back when it would not."""
from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: guarded_files
short_description: Change the configuration of a running service as one step, or not at all
description:
  - Writes the files, runs O(test), then O(reload). When a step fails, every file is as it was before, and the service goes on as it was.
  - What is needed to put the files back is on disk before the first of them changes. A run that was killed is undone by the next.
  - The service is reloaded again where a run ended between the change and the reload.
options:
  files:
    description: Each with C(path), and either C(content) or C(link).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: What the file has to contain.
        type: str
      link:
        description: What the symbolic link has to point to.
        type: str
      mode:
        description: Of a file with content, four octal digits.
        type: str
        default: "0644"
  absent:
    description: Paths where nothing must be.
    type: list
    elements: str
    default: []
  record:
    description: A file in which the module remembers what the service was last given.
    type: path
    required: true
  watched:
    description: Other files that the service reads at a reload, or folders of such; a change in them makes one due.
    type: list
    elements: str
    default: []
  test:
    description: Command that ends with 0 when the files are good.
    type: list
    elements: str
    default: []
  reload:
    description: Command that lets the service take them.
    type: list
    elements: str
    default: []
  start:
    description: Command that starts the service again, should it end at the reload.
    type: list
    elements: str
    default: []
  pidfile:
    description: Of the running service; without a living process in it there is nothing to reload. Empty means to reload always.
    type: str
    default: ""
  renewed:
    description: A file that the service writes anew when the reload is done.
    type: str
    default: ""
  patience:
    description: Seconds that a reload may take.
    type: int
    default: 30
  name:
    description: What messages call the service.
    type: str
    required: true
author:
  - The mcpauth project
"""

EXAMPLES = r"""
- name: Give Apache a fragment
  mcpauth.gateway.guarded_files:
    name: Apache
    record: /etc/mcpauth/.apache.json
    files:
      - path: /etc/apache2/conf-available/mcpauth.conf
        content: "MCPAuthIssuer https://login.example.com/\n"
      - path: /etc/apache2/conf-enabled/mcpauth.conf
        link: ../conf-available/mcpauth.conf
    test: [apachectl, -t]
    reload: [apachectl, graceful]
    pidfile: /run/apache2/apache2.pid
"""

RETURN = r"""
reloaded:
  description: Whether the service was reloaded.
  type: bool
  returned: success
healed:
  description: Whether an interrupted run was undone first.
  type: bool
  returned: always
"""

import errno
import hashlib
import json
import os
import re
import signal
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

NOISE = re.compile(r"^(AH00558|AH00014|Action '|The Apache error log|Syntax OK|\[.*(warn|notice|info)\])")


class Refused(Exception):
    """The change cannot be made; str() is one sentence."""


def look(path):
    """What is at a path, in the shape that put() takes: None for nothing."""
    try:
        if os.path.islink(path):
            return {"link": os.readlink(path)}
        with open(path, "rb") as f:
            content = f.read().decode("utf-8", "surrogateescape")
            return {"content": content, "mode": "%04o" % (os.fstat(f.fileno()).st_mode & 0o7777)}
    except EnvironmentError as e:
        if e.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def put(path, wanted):
    """Makes it so, in one step: what reads the path finds the old or the new, never a half."""
    if wanted is None:
        if os.path.lexists(path):
            os.unlink(path)
        return
    handle, temporary = tempfile.mkstemp(prefix=".mcpauth-", dir=os.path.dirname(path))
    try:
        if "link" in wanted:
            os.close(handle)
            os.unlink(temporary)
            os.symlink(wanted["link"], temporary)
        else:
            with os.fdopen(handle, "wb") as f:
                f.write(wanted["content"].encode("utf-8", "surrogateescape"))
                f.flush()
                os.fchmod(f.fileno(), int(wanted["mode"], 8))
                os.fsync(f.fileno())
        os.rename(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def put_json(path, value):
    put(path, None if value is None else {"content": json.dumps(value, sort_keys=True) + "\n", "mode": "0600"})


def get_json(path):
    found = look(path)
    try:
        return json.loads(found["content"]) if found else None
    except ValueError:
        return None


def fingerprint(path):
    """Of a file, or of all files in a folder. It goes into the record's digest and nowhere else: some of these files are secrets."""
    if os.path.isdir(path):
        return [(name, fingerprint(os.path.join(path, name))) for name in sorted(os.listdir(path))]
    try:
        with open(path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()
    except EnvironmentError:
        return None


def shape(entry):
    """An element of "files" in the shape of look()."""
    if (entry["content"] is None) == (entry["link"] is None):
        raise Refused("%s needs either content or link" % entry["path"])
    return {"link": entry["link"]} if entry["link"] is not None else {"content": entry["content"], "mode": entry["mode"]}


def shown(value):
    if value is None:
        return ""
    return "-> %s\n" % value["link"] if "link" in value else value["content"]


class Change(object):
    def __init__(self, module):
        self.module = module
        self.p = module.params
        self.undo_path = self.p["record"] + ".undo"
        self.wanted = dict((path, None) for path in self.p["absent"])
        self.wanted.update((f["path"], shape(f)) for f in self.p["files"])
        self.healed = False

    # -- the service -------------------------------------------------------------------------------------------------------------

    def pid(self):
        """Of the running service; None when it does not run. 0 where that is not asked for."""
        if not self.p["pidfile"]:
            return 0
        try:
            with open(self.p["pidfile"]) as f:
                pid = int(f.read().strip())
            os.kill(pid, 0)
            return pid
        except (EnvironmentError, ValueError):
            return None

    def run(self, argv):
        status, out, err = self.module.run_command(argv)
        lines = [line.strip() for line in (out + "\n" + err).splitlines() if line.strip() and not NOISE.match(line)]
        return status, " ".join(lines[-6:]) or "exit status %d" % status

    def quote(self, said):
        """The offending line itself, for a file that is not there any more when this is read."""
        found = re.search(r"line (\d+) of ([^\s:]+)", said) or re.search(r"()(/\S+?):(\d+):", said)
        if not found:
            return ""
        path, number = found.group(2), int(found.group(1) or found.group(3))
        value = self.wanted.get(path) or {}
        if "link" in value:
            value = self.wanted.get(os.path.normpath(os.path.join(os.path.dirname(path), value["link"]))) or {}
        lines = value.get("content", "").splitlines()
        return ' (the line was: "%s")' % lines[number - 1].strip() if 0 < number <= len(lines) else ""

    def test(self):
        if self.p["test"]:
            status, said = self.run(self.p["test"])
            if status:
                raise Refused("%s refuses the new configuration: %s%s" % (self.p["name"], said, self.quote(said)))

    def stamp(self):
        try:
            found = os.stat(self.p["renewed"])
            return found.st_ino, getattr(found, "st_mtime_ns", found.st_mtime)
        except EnvironmentError:
            return None

    def reload(self):
        """False: it does not run, and takes the files when it is started."""
        pid = self.pid()
        if pid is None or not self.p["reload"]:
            return False
        before = self.stamp()
        status, said = self.run(self.p["reload"])
        if status:
            raise Refused("%s cannot be reloaded: %s" % (self.p["name"], said))
        end = time.time() + self.p["patience"]
        while self.p["renewed"] and time.time() < end and self.stamp() == before and self.pid() is not None:
            time.sleep(0.05)
        if self.p["renewed"] and (self.stamp() == before or self.pid() is None):
            raise Refused("%s %s, see its error log" % (self.p["name"], "ended at the reload" if self.pid() is None
                          else "did not take the new configuration within %d s" % self.p["patience"]))
        return True

    # -- the files ---------------------------------------------------------------------------------------------------------------

    def heal(self):
        undo = get_json(self.undo_path)
        if undo is None:
            return
        self.healed = True
        if not self.module.check_mode:
            self.put_back(undo)

    def put_back(self, undo):
        for path, value in undo.items():
            if look(path) != value:
                put(path, value)
        put_json(self.undo_path, None)

    def roll_back(self, undo, had_reload, pid):
        """What the operator has to be told besides, or ""."""
        self.put_back(undo)
        if had_reload and pid is not None and self.p["pidfile"] and self.pid() is None and self.p["start"]:
            status, said = self.run(self.p["start"])
            return "; it was started again" if status == 0 else "; it could not be started again: %s" % said
        if had_reload and self.p["reload"] and self.pid() is not None:
            self.run(self.p["reload"])
        return ""

    def apply(self, digest, differing, undo):
        pid, had_reload = self.pid(), False
        try:
            put_json(self.undo_path, undo)
            for path in differing:
                put(path, self.wanted[path])
            self.test()
            had_reload = True
            reloaded = self.reload()
            put_json(self.p["record"], digest)
            put_json(self.undo_path, None)
            return reloaded
        except (Refused, EnvironmentError) as e:
            said = str(e) if isinstance(e, Refused) else "%s: %s" % (e.filename or self.p["record"], e.strerror)
            try:
                more = self.roll_back(undo, had_reload, pid)
            except EnvironmentError as again:
                self.module.fail_json(msg="%s; putting the files back failed too (%s: %s), the next run does it" % (said, again.filename, again.strerror),
                                      healed=self.healed)
            self.module.fail_json(msg="%s; the files are as they were%s" % (said, more), healed=self.healed)

    def main(self):
        self.heal()
        undo = dict((path, look(path)) for path in self.wanted)
        differing = sorted(path for path in self.wanted if undo[path] != self.wanted[path])
        nothing = all(value is None for value in self.wanted.values())
        text = json.dumps([self.wanted, [fingerprint(path) for path in self.p["watched"]]], sort_keys=True)
        digest = None if nothing else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        due = bool(differing) or get_json(self.p["record"]) != digest or self.healed
        diff = [{"before": shown(undo[p]), "after": shown(self.wanted[p]), "before_header": p, "after_header": p} for p in differing]
        reloaded = self.apply(digest, differing, undo) if due and not self.module.check_mode else False
        self.module.exit_json(changed=due, diff=diff, reloaded=reloaded, healed=self.healed)


def main():
    entry = {"path": {"type": "path", "required": True}, "content": {"type": "str"}, "link": {"type": "str"},
             "mode": {"type": "str", "default": "0644"}}
    command = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(supports_check_mode=True, argument_spec={
        "files": {"type": "list", "elements": "dict", "default": [], "options": entry}, "absent": command,
        "record": {"type": "path", "required": True}, "watched": command, "test": command, "reload": command,
        "start": command, "pidfile": {"type": "str", "default": ""}, "renewed": {"type": "str", "default": ""},
        "patience": {"type": "int", "default": 30}, "name": {"type": "str", "required": True}})
    # A controller that goes away is no reason to leave things half done; SIGKILL is what the undo file is for.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        Change(module).main()
    except Refused as e:
        module.fail_json(msg=str(e))
    except EnvironmentError as e:
        module.fail_json(msg="%s: %s" % (e.filename, e.strerror))


if __name__ == "__main__":
    main()
