# SPDX-License-Identifier: Apache-2.0
"""What parts of a request cost alone, on the machine and in the minutes of the run: for the bars that are about a part."""
import subprocess

from .made import made

NAME_WIDTH = 36  # of ../micro.c's table


def parse_micro(text):
    """{name: median ns} of micro's table; of a part that is a byte's, a byte."""
    rows = [(line[:NAME_WIDTH].strip(), line[NAME_WIDTH:].split()) for line in text.splitlines()[1:]]
    return {name: float(columns[0]) for name, columns in rows if name}


def measure():
    """{"micro": {name: ns}}."""
    told = subprocess.run([str(made("micro"))], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return {"micro": parse_micro(told)}
