# SPDX-License-Identifier: Apache-2.0
"""./quickstart --once: the first thing that anybody runs."""
import os
import re
import signal
import subprocess

import pytest

from harness import SOURCE, paths, wait_until
from harness.process import Process, port_answers

pytestmark = [pytest.mark.slow, pytest.mark.alone]  # it builds in the folder of the others, and chooses its ports itself
not_here = pytest.mark.skipif(paths.SANITIZE or paths.VALGRIND, reason="quickstart has a build of its own")
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": os.environ.get("HOME", "/root"), "TERM": "dumb", "LANG": "C.UTF-8"}


@not_here
def test_quickstart_once_takes_the_tour_and_leaves_nothing():
    done = subprocess.run([SOURCE / "quickstart", "--once"], env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300, start_new_session=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "went as it should" in done.stdout and "✗" not in done.stdout
    scratch = re.search(r"scratch directory (/tmp/mcpauth-tour-\w+)", done.stdout).group(1)
    assert not os.path.exists(scratch)


@not_here
def test_quickstart_stays_up_until_it_is_told(tmp_path):
    process = Process([SOURCE / "quickstart"], tmp_path / "output", env=ENV)
    try:
        wait_until(lambda: "To stop:" in process.read_output() or not process.alive, 300, process.read_output)
        assert process.alive, process.read_output()
        output = process.read_output()
        port = int(re.search(r"the guarded MCP server\s+http://127\.0\.0\.1:(\d+)/mcp", output).group(1))
        assert port_answers(port)
        assert re.search(r"^TOKEN=eyJ[\w-]+\.[\w-]+\.[\w-]+$", output, re.M)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        wait_until(lambda: not port_answers(port), 10, "httpd is gone")
    finally:
        process.stop()


def test_quickstart_refuses_what_it_does_not_know():
    assert subprocess.run([SOURCE / "quickstart", "--nonsense"], env=ENV, stdout=subprocess.DEVNULL, check=False).returncode == 2
