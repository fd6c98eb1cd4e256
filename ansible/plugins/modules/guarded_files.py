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
  - What is needed to put the files back is on disk before the first of them changes, and stays there until O(test) passes with the old ones.
    A run that was killed is undone by the next.
  - The service is reloaded again where a run ended between the change and the reload.
options:
  files:
    description: Each with C(path), and one of C(content), C(source) and C(link).
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
      source:
        description: A file on the host with what it has to contain, of any kind; a diff does not show it.
        type: path
      link:
        description: What the symbolic link has to point to.
        type: str
      mode:
        description: Of a file with content, four octal digits; it belongs to root.
        type: str
        default: "0644"
  secrets:
    description: Files with mode 0600 of which nothing is ever shown.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Of the file in O(secrets_dir).
        type: str
        required: true
      content:
        description: What the file has to contain.
        type: str
        required: true
      reader:
        description: Not looked at here; it may stay in a list that was sorted by it.
        type: str
  secrets_dir:
    description: Where the secrets are.
    type: path
  secrets_owner:
    description: To whom they belong.
    type: str
    default: root
  absent:
    description: Paths where nothing must be.
    type: list
    elements: str
    default: []
  forget:
    description: Whether nothing must be where the record says that files were made, too.
    type: bool
    default: false
  record:
    description: A file in which the module remembers what the service was last given, and where.
    type: path
    required: true
  watched:
    description: Other files that the service reads at a reload, or folders of such; a change in them makes one due. Those of O(files) need not be named.
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
import pwd
import re
import signal
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule

# No command of a service takes longer; a start that waits for ever must not keep the host for ever.
COMMAND_SECONDS = 300
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
            info = os.fstat(f.fileno())
            return {"content": content, "mode": "%04o" % (info.st_mode & 0o7777), "uid": info.st_uid, "gid": info.st_gid}
    except EnvironmentError as e:
        if e.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def file_of(content, mode, uid=0):
    return {"content": content, "mode": mode, "uid": uid, "gid": 0}


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
                os.fchown(f.fileno(), wanted.get("uid", 0), wanted.get("gid", 0))
                os.fchmod(f.fileno(), int(wanted["mode"], 8))
                os.fsync(f.fileno())
        os.rename(temporary, path)
    except BaseException:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise


def put_json(path, value):
    put(path, None if value is None else file_of(json.dumps(value, sort_keys=True) + "\n", "0600"))


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


def uid_of(name, check_mode):
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        if check_mode:  # it is made by a task before this one, which has only said so
            return -1
        raise Refused("there is no user %s" % name)


def shape(entry, check_mode):
    """An element of "files" in the shape of look()."""
    if sum(entry[key] is not None for key in ("content", "source", "link")) != 1:
        raise Refused("%s needs one of content, source and link" % entry["path"])
    if entry["link"] is not None:
        return {"link": entry["link"]}
    if entry["source"] is None:
        return file_of(entry["content"], entry["mode"])
    found = look(entry["source"])
    if not found or "content" not in found:
        if check_mode:  # as with the user
            return file_of("", entry["mode"])
        raise Refused("%s is no file" % entry["source"])
    return file_of(found["content"], entry["mode"])


def shown(value, silent):
    if value is None:
        return ""
    return "-> %s\n" % value["link"] if "link" in value else "(not shown)\n" if silent else value["content"]


class Change(object):
    def __init__(self, module):
        self.module = module
        self.p = module.params
        self.undo_path = self.p["record"] + ".undo"
        self.wanted = dict((path, None) for path in self.p["absent"] + (self.remembered("made") or [] if self.p["forget"] else []))
        self.wanted.update((f["path"], shape(f, module.check_mode)) for f in self.p["files"])
        secrets = self.secrets()
        self.wanted.update(secrets)
        self.silent = set(secrets) | set(f["path"] for f in self.p["files"] if f["source"])
        self.healed = False

    def remembered(self, key):
        found = get_json(self.p["record"])
        return found.get(key) if isinstance(found, dict) else None

    def secrets(self):
        if self.p["secrets"] and not self.p["secrets_dir"]:
            raise Refused("secrets need secrets_dir")
        uid = uid_of(self.p["secrets_owner"], self.module.check_mode) if self.p["secrets"] else 0
        return dict((os.path.join(self.p["secrets_dir"], s["name"]), file_of(s["content"], "0600", uid)) for s in self.p["secrets"])

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
        # In the foreground: whoever ends this module's group of processes ends the command with it.
        status, out, err = self.module.run_command(["timeout", "--foreground", "-k", "5", str(COMMAND_SECONDS)] + argv)
        lines = [line.strip() for line in (out + "\n" + err).splitlines() if line.strip() and not NOISE.match(line)]
        return status, " ".join(lines[-6:]) or "exit status %d" % status

    def quote(self, said):
        """The offending line itself, for a file that is not there any more when this is read."""
        found = re.search(r"line (\d+) of ([^\s:]+)", said) or re.search(r"()(/\S+?):(\d+):", said)
        if not found:
            return ""
        path, number = found.group(2), int(found.group(1) or found.group(3))
        if path in self.silent:
            return ""
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
            put_json(self.undo_path, None)

    def put_back(self, undo):
        for path, value in undo.items():
            if look(path) != value:
                put(path, value)

    def roll_back(self, undo, had_reload, pid):
        """What the operator has to be told besides, or ""."""
        self.put_back(undo)
        status, said = self.run(self.p["test"]) if self.p["test"] else (0, "")
        nothing_before = all(value is None for value in undo.values())
        if status == 0 or nothing_before:
            put_json(self.undo_path, None)
        if status:
            return "" if nothing_before else ", and %s refuses those too: %s" % (self.p["name"], said)
        if had_reload and pid is not None and self.p["pidfile"] and self.pid() is None and self.p["start"]:
            status, said = self.run(self.p["start"])
            return "; it was started again" if status == 0 else "; it could not be started again: %s" % said
        if had_reload and self.p["reload"] and self.pid() is not None:
            status, said = self.run(self.p["reload"])
            return "" if status == 0 else ", and %s could not be reloaded with those either: %s" % (self.p["name"], said)
        return ""

    def made(self):
        """What is put in place now, and secrets of earlier runs: no package takes those over when they are not named any more."""
        earlier = [path for path in self.remembered("made") or [] if os.path.dirname(path) == self.p["secrets_dir"]]
        return sorted(set(path for path in self.wanted if self.wanted[path] is not None).union(earlier))

    def apply(self, digest, differing, undo):
        pid, had_reload = self.pid(), False
        try:
            put_json(self.undo_path, undo)
            for path in differing:
                put(path, self.wanted[path])
            self.test()
            had_reload = True
            reloaded = self.reload()
            put_json(self.p["record"], None if digest is None else {"digest": digest, "made": self.made()})
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
        watched = [fingerprint(path) for path in self.p["watched"] if path not in self.wanted]
        text = json.dumps([self.wanted, watched], sort_keys=True)
        nothing = all(value is None for value in self.wanted.values())
        digest = None if nothing else hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        due = bool(differing) or self.remembered("digest") != digest or self.healed
        diff = [{"before": shown(undo[p], p in self.silent), "after": shown(self.wanted[p], p in self.silent), "before_header": p, "after_header": p}
                for p in differing]
        reloaded = self.apply(digest, differing, undo) if due and not self.module.check_mode else False
        self.module.exit_json(changed=due, diff=diff, reloaded=reloaded, healed=self.healed)


def main():
    entry = {"path": {"type": "path", "required": True}, "content": {"type": "str"}, "link": {"type": "str"},
             "source": {"type": "path"}, "mode": {"type": "str", "default": "0644"}}
    secret = {"name": {"type": "str", "required": True}, "content": {"type": "str", "required": True, "no_log": True}, "reader": {"type": "str"}}
    command = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(supports_check_mode=True, argument_spec={
        "files": {"type": "list", "elements": "dict", "default": [], "options": entry}, "absent": command,
        "secrets": {"type": "list", "elements": "dict", "default": [], "options": secret, "no_log": False},
        "secrets_dir": {"type": "path", "no_log": False}, "secrets_owner": {"type": "str", "default": "root", "no_log": False},
        "forget": {"type": "bool", "default": False},
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
