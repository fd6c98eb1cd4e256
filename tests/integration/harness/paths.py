# SPDX-License-Identifier: Apache-2.0
"""Where the programs under test are."""
import os
import shutil
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("MCPAUTH_BUILD") or SOURCE / "build").resolve()
# Test vectors are never committed; a checkout has them beside it, or names the place.
VECTORS = Path(os.environ.get("MCPAUTH_VECTORS") or SOURCE.parent / "shared" / "vectors").resolve()

MODULE = BUILD / "mod_mcp_auth" / ".libs" / "mod_mcp_auth.so"
CRASH_TRACE = BUILD / "tests" / ".libs" / "mod_crash_trace.so"
APACHE_MODULES = Path(os.environ.get("MCPAUTH_APACHE_MODULES") or "/usr/lib/apache2/modules")

SANITIZE = os.environ.get("MCPAUTH_SANITIZE") == "1"
VALGRIND = os.environ.get("MCPAUTH_VALGRIND") == "1"
KEEP = os.environ.get("MCPAUTH_KEEP") == "1"
# Deadlines are for a quiet machine; instrumented programs get more, and so do tests beside others.
PATIENCE = (10 if VALGRIND else 3 if SANITIZE else 1) * (2 if "PYTEST_XDIST_WORKER" in os.environ else 1)


def built_program(name):
    """The real program, not libtool's wrapper script around it."""
    folder = BUILD / "mcpauth-admind"
    inner = folder / ".libs" / name
    return inner if inner.exists() else folder / name


def need(program):
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise RuntimeError(f"{program} is not installed; ./check installs it")
    return found
