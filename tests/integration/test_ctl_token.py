# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl token verify and explain, where an issuer's keys stand in a file: what they say is what httpd does, or that nobody can tell."""
import json
import os
import subprocess

import pytest

from harness import paths
from module_parts import fixed_stack, key_file

GOOD, BAD = 0, 1


def ask(files, token, *command):
    place = files.world.scratch / "token"
    place.write_text(token)
    os.chmod(place, 0o600)
    return subprocess.run([paths.built_program("mcpauthctl"), *command, "--policy", files.world.dirs.state / "policy.json", "--location", "/mcp", "--token-file", place],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60 * paths.PATIENCE, check=False)


@pytest.mark.parametrize("is_renamed", [False, True], ids=["written over", "an older file moved to its place"])
def test_keys_that_httpd_has_not_read_make_no_token_good(world, is_renamed):
    files = fixed_stack(world)
    old = files.token()
    assert ask(files, old, "token", "verify").returncode == GOOD and ask(files, old, "explain").returncode == GOOD
    files.issuer.rotate()
    new = files.token()
    path = key_file(world, files.issuer)
    if is_renamed:
        aside = path.with_suffix(".new")
        path.rename(aside)
        os.utime(aside, (0, 0))
        aside.rename(path)
    assert files.call(token=new).status == 401 and files.call(token=old).status == 200
    for token in (new, old):
        done = ask(files, token, "token", "verify")
        assert done.returncode == BAD and done.stdout.startswith("bad for Location /mcp: keys_missing\n") and "reload httpd" in done.stdout, done.stdout
        document = json.loads(ask(files, token, "token", "verify", "--json").stdout)
        assert document["good"] is False and str(path) in document["why"]["keys"]
        assert ask(files, token, "explain").returncode == BAD
    files.httpd.graceful()
    assert files.call(token=new).status == 200
    done = ask(files, new, "token", "verify")
    assert done.returncode == GOOD, done.stdout
