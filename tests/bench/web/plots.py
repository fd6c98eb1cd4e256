# SPDX-License-Identifier: Apache-2.0
"""Bars as SVG, drawn by gnuplot: CPU over bare httpd, and p99, of every variant in a case."""
import re
import shutil
import subprocess

from . import machine
from .variants import AGAIN, BARE, FLOOR, FLOOR_VERIFIES

SCRIPT = """
set terminal svg size 1000,%(height)d enhanced font "DejaVu Sans,12" background "#ffffff"
set output "%(output)s"
set title "{/:Bold %(title)s}\\n{/*0.8 %(group)s}\\n{/*0.8 %(machine)s}"
set xlabel "%(unit)s"
set grid xtics lc rgb "#dddddd"
set border 3
set tics nomirror out
set style fill solid 0.9 noborder
set yrange [%(bottom)g:-0.7]
set xrange [%(low)g:%(high)g]
set format x "%%h"
unset key
$rows << END
%(data)s
END
plot $rows using ($4 / 2):1:(abs($4) / 2):(0.36):2:ytic(3) with boxxyerror lc rgb variable, \\
     $rows using 4:1:5:6 with xerrorbars lc rgb "#333333" pt -1 lw 1, \\
     $rows using ($6 > 0 ? $6 : 0):1:7 with labels left offset 0.7,0 noenhanced
"""
OURS, OTHERS, PLAIN = 0x1B6CA8, 0xC9772B, 0x8A8A8A


def _colour(variant):
    return OURS if variant.startswith("mcpauth") else PLAIN if variant in (BARE, AGAIN, FLOOR, FLOOR_VERIFIES, "nginx", "haproxy") else OTHERS


def _plain(text):
    """What gnuplot's markup leaves as it is."""
    return re.sub(r"([_^@{}])", r"\\\\\1", text)


def _draw(path, title, group, about, unit, bars):
    """bars: [(variant, value, least, most)]."""
    data = "\n".join(f'{n} {_colour(name)} "{_plain(name)}" {value:.2f} {least:.2f} {most:.2f} "{value:,.1f}"'
                     for n, (name, value, least, most) in enumerate(bars))
    high, low = max(b[3] for b in bars), min(0, min(b[2] for b in bars))
    text = SCRIPT % {
        "output": path, "title": _plain(title), "group": _plain(group), "machine": _plain(about), "unit": unit, "data": data,
        "bottom": len(bars) - 0.3, "height": 150 + 30 * len(bars), "low": low * 1.1, "high": max(high * 1.14, 1)}
    subprocess.run(["gnuplot", "-"], input=text, text=True, check=True, timeout=60)


def draw(run, folder):
    """Two files a case and group; returns their names. Nothing where gnuplot is not installed."""
    if not shutil.which("gnuplot"):
        return []
    made = []
    for result in run["results"]:
        cells = [(c["variant"], c["figures"], c["rounds"]) for c in result["cells"] if c["figures"]]
        name = f"{result['case']}-{result['mpm']}-{result['cores']}-{result['alg']}".lower()
        group = f"{result['group']}; median of {run['rounds']} rounds, lines: least and most"
        over = [(v, f["over_us"], f["over_least"], f["over_most"]) for v, f, _ in cells if v != BARE and "over_us" in f]
        p99 = [(v, f["p99_us"] / 1000, min(r["p99_us"] for r in rows) / 1000, max(r["p99_us"] for r in rows) / 1000) for v, f, rows in cells]
        for kind, bars, what, unit in (("cpu", over, "CPU over bare httpd", "µs of CPU a request without the daemon's, over bare httpd in the same round"),
                                       ("p99", p99, "latency, p99", "milliseconds, 99th percentile")):
            if bars:
                _draw(folder / f"{name}-{kind}.svg", f"{result['title']}: {what}", group, machine.line(run["machine"]), unit, bars)
                made.append(f"{name}-{kind}.svg")
    return made
