# SPDX-License-Identifier: Apache-2.0
"""Instructions a request, as ../instructions.py counts them, put beside the variants that they belong to."""
import instructions

from .variants import BARE, US

# (case, variant) -> what instructions.py calls it.
NAMES = {
    ("static", BARE): "bare", ("static", US): "known", ("static", "mcpauth, audit off"): "known-audit-off",
    ("static-distinct", US): "known-in-turn",
    ("static-new", "mcpauth, never seen"): "new", ("static-bad", US): "bad-signature",
    ("rpc-1k", BARE): "bare-proxy", ("rpc-1k", US): "proxy", ("rpc-1k", "mcpauth, body not inspected"): "proxy-inspect-off",
}
GROUP = ("event", 1, "RS256")


def _cells(results):
    for r in results:
        if (r["mpm"], r["cores"], r["alg"]) == GROUP:
            for cell in r["cells"]:
                if (r["case"], cell["variant"]) in NAMES:
                    yield NAMES[r["case"], cell["variant"]], cell


def add(results):
    """Counts what is needed for these results and puts it into their cells: "instructions" and, beside the bare one, "instructions_over"."""
    names = {name for name, _ in _cells(results)}
    names |= {instructions.VARIANTS[name].over for name in names} - {None}
    rows = {row["name"]: row for row in instructions.rows(instructions.measure([n for n in instructions.VARIANTS if n in names]))} if names else {}
    for name, cell in _cells(results):
        cell["instructions"], cell["instructions_over"] = rows[name]["instructions"], rows[name]["more"]
