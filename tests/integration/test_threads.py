# SPDX-License-Identifier: Apache-2.0
"""The tables that threads and processes share, under ThreadSanitizer: their unit tests for that, built anew with it. No race, and still every check holds."""
import os
import re
import subprocess

import pytest

from harness import paths

CORE = ["base/bytes.c", "base/status.c", "state/siphash.c", "state/gcra.c"]
TABLES = {"tokencache_shared": ["state/tokencache.c"], "ratetable_shared": ["state/ratetable.c"]}
RACE = re.compile(r"WARNING: ThreadSanitizer|FATAL: ThreadSanitizer")


def build(folder, table, source=None):
    """The test's program with ThreadSanitizer. source: instead of the table's own."""
    program = folder / table
    sources = [paths.SOURCE / "shared" / name for name in CORE + TABLES[table]]
    if source:
        sources[-1] = source
    done = subprocess.run(["gcc", "-std=gnu11", "-g", "-O1", "-fsanitize=thread", "-D_GNU_SOURCE", "-I", paths.SOURCE / "shared", "-I", paths.SOURCE / "tests" / "unit",
                           *sources, paths.SOURCE / "tests" / "unit" / f"test_state_{table}.c", "-lcmocka", "-lcrypto", "-lpthread", "-o", program],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return program


def run(program):
    done = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120 * paths.PATIENCE,
                          env={**os.environ, "TSAN_OPTIONS": "exitcode=66"})
    return done.returncode, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_threads_do_not_race(tmp_path, table):
    status, said = run(build(tmp_path, table))
    assert status == 0 and not RACE.search(said) and "[  PASSED  ]" in said, said


@pytest.mark.slow
def test_a_race_would_be_seen(tmp_path):
    """The same with a reader that copies without any order."""
    text = (paths.SOURCE / "shared" / "state" / "tokencache.c").read_text()
    plain = "uint64_t word = *(const uint64_t *)(const void *)&entry->facts[i];"
    broken = text.replace("uint64_t word = atomic_load_explicit(&entry->facts[i], memory_order_acquire);", plain)
    assert broken != text
    source = tmp_path / "broken.c"
    source.write_text(broken)
    status, said = run(build(tmp_path, "tokencache_shared", source))
    assert status != 0 and RACE.search(said), said
