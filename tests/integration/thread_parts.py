# SPDX-License-Identifier: Apache-2.0
"""Programs under ThreadSanitizer: a build of them beside the one under test, made once for all files that need it, and what the sanitizer reports."""
import fcntl
import functools
import os
import re
import subprocess

from harness import paths

# Fortified functions of the C library are not those that the sanitizer knows.
FLAGS = ["-g", "-O1", "-fsanitize=thread", "-U_FORTIFY_SOURCE"]
# The tests that use it make paths.BUILD this one.
FOLDER = paths.BUILD / "tsan"
RACE = re.compile(r"WARNING: ThreadSanitizer|FATAL: ThreadSanitizer")
OURS = re.compile(r"mod_mcp_auth|mcpauth-admind|FATAL")


def command(argv, **options):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    assert done.returncode == 0, f"{argv}\n{done.stdout[-8000:]}"
    return done.stdout.strip()


def compile_c(output, *arguments):
    return command(["gcc", "-std=gnu11", "-D_GNU_SOURCE", *FLAGS, "-I", paths.SOURCE / "shared", "-o", output, *arguments])


@functools.cache
def build():
    """Daemon, module, load. What was built before is brought up to date; another process that wants the same waits."""
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command([paths.SOURCE / ".ci" / "build", FOLDER, "CFLAGS=" + " ".join(FLAGS), "LDFLAGS=-fsanitize=thread"])
        command(["make", "-C", FOLDER / "tests", "feed", "mod_crash_trace.la"])
        apr = [*command(["apr-1-config", "--includes", "--cppflags"]).split(), "-shared", "-fPIC"]
        compile_c(FOLDER / "thread_atomics.so", *apr, paths.SOURCE / "tests" / "integration" / "thread_atomics.c")


def point_to_build(monkeypatch):
    """From here on the harness runs what was built here."""
    build()
    monkeypatch.setattr(paths, "BUILD", FOLDER)
    monkeypatch.setattr(paths, "MODULE", FOLDER / "mod_mcp_auth" / ".libs" / "mod_mcp_auth.so")
    monkeypatch.setattr(paths, "CRASH_TRACE", FOLDER / "tests" / ".libs" / "mod_crash_trace.so")


def changed(tmp_path, source, line, instead):
    """A copy of this source file, somewhere below the top, with another line wherever this one stands."""
    text = (paths.SOURCE / source).read_text()
    assert line in text, f"{source} has no {line!r} any more"
    copy = tmp_path / source.replace("/", "-")
    copy.write_text(text.replace(line, instead))
    return copy


class Reports:
    """A folder for what the sanitizer has to say, whoever runs the program."""

    def __init__(self, scratch):
        self.folder = scratch / "tsan"
        self.folder.mkdir()
        os.chmod(self.folder, 0o1777)

    def env(self, *preload):
        """For a program. preload: libraries to load into one that was not built with the sanitizer, behind the sanitizer's own."""
        env = {"TSAN_OPTIONS": f"log_path={self.folder}/report:exitcode=66"}
        if preload:
            env["LD_PRELOAD"] = ":".join([command(["gcc", "-print-file-name=libtsan.so"]), *map(str, preload)])
        return env

    def httpd_env(self):
        return self.env(FOLDER / "thread_atomics.so")

    def found(self):
        """The single reports with code of ours in them. Others are httpd's own: its event MPM closes a listening socket beside who has just looked at it."""
        parts = [part for path in sorted(self.folder.iterdir()) for part in path.read_text(errors="replace").split("==================\n")]
        return [part for part in parts if RACE.search(part) and OURS.search(part)]
