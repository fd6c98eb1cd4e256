# SPDX-License-Identifier: Apache-2.0
"""Parts of the bench that are written in C."""
import functools
import subprocess

from harness.paths import BUILD


@functools.cache
def made(target):
    """The file of this target of ../../Makefile.am, brought up to date; of name.la that is .libs/name.so."""
    folder = BUILD / "tests"
    subprocess.run(["make", "-s", "-C", str(folder), target], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return folder / ".libs" / target.replace(".la", ".so") if target.endswith(".la") else folder / target
