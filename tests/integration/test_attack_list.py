# SPDX-License-Identifier: Apache-2.0
"""Every attack of the list (attack_parts.py) has a test that bears its number: `test_67_…`, or a parameter's id that begins with "67 "."""
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ATTACKS = range(1, 95)
# What an attack is on that is not there to be attacked. Whoever builds it takes its line out, and writes the test.
NOT_BUILT = {
    58: "tokens that an administrator revoked", 74: "proofs of DPoP", 75: "proofs of DPoP", 76: "proofs of DPoP", 77: "nonces of DPoP", 92: "introspection of tokens",
}


def numbers_of(nodeid):
    """ "test_attacks_x.py::test_30_…[9 pad]": 30 and 9."""
    name, _, parameters = nodeid.split("::", 1)[1].partition("[")
    found = re.findall(r"^test_(\d+)_", name) + re.findall(r"^(?:[^ \]]*-)?(\d+) ", parameters)
    return {int(number) for number in found}


@pytest.mark.parametrize("nodeid, numbers", [
    ("a.py::test_30_parts", {30}), ("a.py::test_x[30 parts]", {30}), ("a.py::test_x[0-30 parts]", {30}), ("a.py::test_30_x[no token-31 b]", {30}), ("a.py::test_x[HS256-20 RSA, 3 of 4]", {20}),
    ("a.py::test_x", set()), ("a.py::test_x[200-x]", set()), ("a.py::test_a_30_x", set()),
])
def test_a_number_is_read_off_a_name(nodeid, numbers):
    assert numbers_of(nodeid) == numbers


def test_every_attack_has_a_test_that_names_it():
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "--collect-only", "-c", "pytest.ini", "-p", "no:cacheprovider", *sorted(p.name for p in HERE.glob("test_attacks_*.py"))],
                          cwd=HERE, capture_output=True, text=True, timeout=300, check=True)
    tests = Counter(number for line in done.stdout.splitlines() if "::" in line for number in numbers_of(line))
    assert not [n for n in ATTACKS if n not in tests and n not in NOT_BUILT], "attacks without a test"
    assert not [n for n in NOT_BUILT if n in tests], "tests of what is said not to be built"
    assert not [n for n in tests if n not in ATTACKS], "numbers that no attack has"
