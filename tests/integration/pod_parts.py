# SPDX-License-Identifier: Apache-2.0
"""A pod of conf/kubernetes without a cluster: each container a chroot with mounts and processes of its own, as the manifest gives them to it."""
import os
import shutil
import subprocess

import pytest

from harness import paths
from harness.process import Process

ETC = ["passwd", "group", "nsswitch.conf", "hosts", "mime.types", "ld.so.cache", "ssl"]
PROGRAMS = {"sbin/mcpauth-admind": "mcpauth-admind", "bin/mcpauthctl": "mcpauthctl"}


def need_namespaces(folder):
    """Skips loudly where no pod can be had."""
    if paths.SANITIZE or paths.VALGRIND:
        pytest.skip("its image is of no instrumented build")
    folder.mkdir()
    done = subprocess.run(["unshare", "-m", "-p", "-f", "--kill-child", "mount", "-t", "overlay", "overlay", "-o", f"lowerdir={folder}:/usr", folder],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: a pod of its own needs namespaces and overlayfs: {done.stdout.strip()}")


class Pod:
    """spec: of the pod. files: {name: text}, what its ConfigMap and its secret have. Volumes stay until the folder goes, so that a pod may be started again on them."""

    def __init__(self, folder, spec, files):
        self.folder, self.spec = folder, spec
        self.who = spec["securityContext"]
        self.running = {}
        for name, program in PROGRAMS.items():
            self._put(paths.built_program(program), folder / "image" / name, 0o755)
        self._put(paths.MODULE, folder / "image/lib/apache2/modules/mod_mcp_auth.so", 0o644)
        for volume in spec["volumes"]:
            self._volume(volume, files)

    @staticmethod
    def _put(source, target, mode):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
        target.chmod(mode)

    def _volume(self, volume, files):
        """As the kubelet makes them: an emptyDir is root's and open to all, a ConfigMap is links to files of root's."""
        place = self.folder / "volumes" / volume["name"]
        place.mkdir(parents=True)
        if "configMap" in volume or "secret" in volume:
            (place / "..1").mkdir()
            (place / "..data").symlink_to("..1")
            for name, text in files.items():
                (place / "..1" / name).write_text(text)
                os.chown(place / "..1" / name, 0, self.who["fsGroup"])
                (place / "..1" / name).chmod(volume.get("secret", {}).get("defaultMode", 0o644))
                (place / name).symlink_to(f"..data/{name}")
            return
        assert "emptyDir" in volume, volume
        os.chown(place, 0, self.who["fsGroup"])
        place.chmod(0o2777)

    def _root(self, name):
        root = self.folder / "roots" / name
        if not root.exists():
            for inner in ("usr", "dev", "proc", "etc", "tmp", "run", "var/lib", "var/log", "var/spool"):
                (root / inner).mkdir(parents=True)
            for link in ("bin", "sbin", "lib", "lib64"):
                (root / link).symlink_to(f"usr/{link}")
            for entry in ETC:
                subprocess.run(["cp", "-a", f"/etc/{entry}", root / "etc"], check=True, timeout=60)
        return root

    def _as(self, container):
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        return ["setpriv", f"--reuid={self.who['runAsUser']}", f"--regid={self.who['runAsGroup']}", f"--groups={self.who['fsGroup']}", "--no-new-privs", "--bounding-set=-all",
                "--inh-caps=-all", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *(f"{row['name']}={row['value']}" for row in container.get("env", []))]

    def _argv(self, container):
        root = self._root(container["name"])
        lines = ["set -e", "mount --make-rprivate /", f"mount --bind {root} {root}", f"mount -t overlay overlay -o lowerdir={self.folder}/image:/usr {root}/usr",
                 f"mount --rbind /dev {root}/dev", f"mount -t proc proc {root}/proc"]
        read_only = []
        for mount in sorted(container["volumeMounts"], key=lambda m: m["mountPath"]):
            source = self.folder / "volumes" / mount["name"] / mount.get("subPath", "")
            target = root / mount["mountPath"].lstrip("/")
            if not any(mount["mountPath"].startswith(other["mountPath"] + "/") for other in container["volumeMounts"]):
                target.mkdir(parents=True, exist_ok=True)
            # A place within another mount has to be there already: where that one cannot be written to, nobody could make it.
            lines.append(f"mount --bind {source} {target}")
            read_only += [target] if mount.get("readOnly") else []
        lines += [f"mount -o remount,bind,ro {place}" for place in [*read_only, root]]
        lines.append('exec chroot ' + str(root) + ' "$@"')
        return ["unshare", "-m", "-p", "-f", "--kill-child", "/bin/bash", "-c", "\n".join(lines), "container", *self._as(container), *container["command"]]

    def container(self, name):
        return next(c for c in [*self.spec["initContainers"], *self.spec["containers"]] if c["name"] == name)

    def start(self, name):
        log = self.folder / f"{name}.log"
        log.touch()
        os.chown(log, self.who["runAsUser"], self.who["runAsGroup"])  # so runtimes hand over standard error
        self.running[name] = Process(self._argv(self.container(name)), log, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        return self.running[name]

    def run(self, name, *command):
        """In a container that runs, as its probes are: (exit status, output)."""
        pid, = self.running[name].children()
        done = subprocess.run(["nsenter", f"--target={pid}", "-m", "-p", "-r", "-w", *self._as(self.container(name)), *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60 * paths.PATIENCE, check=False)
        return done.returncode, done.stdout

    def log(self, name):
        return self.running[name].read_output()

    def stop(self):
        for process in reversed(self.running.values()):
            process.kill()
