# SPDX-License-Identifier: Apache-2.0
"""What parts of a request cost alone, on the machine and in the minutes of the run: for the bars that are about a part, and to tell what nobody can save."""
import subprocess

from harness.paths import BUILD

NAME_WIDTH = 36  # of ../micro.c's table
# What `openssl speed` calls its measurements, and how the lines begin whose last field is verifications a second.
SPEEDS = {"RS256": ("rsa2048", "+F2"), "ES256": ("ecdsap256", "+F4"), "EdDSA": ("ed25519", "+F6")}


def parse_micro(text):
    """{name: median ns} of micro's table; of a part that is a byte's, a byte."""
    rows = [(line[:NAME_WIDTH].strip(), line[NAME_WIDTH:].split()) for line in text.splitlines()[1:]]
    return {name: float(columns[0]) for name, columns in rows if name}


def parse_speed(text):
    """{alg: µs of one verification} of `openssl speed -mr`."""
    marks = {mark: alg for alg, (_, mark) in SPEEDS.items()}
    lines = [line.split(":") for line in text.splitlines()]
    return {marks[fields[0]]: 1e6 / float(fields[-1]) for fields in lines if fields[0] in marks}


def _output(argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout


def measure():
    """{"micro": {name: ns}, "verify_us": {alg: µs, by OpenSSL alone}}."""
    subprocess.run(["make", "-s", "-C", str(BUILD / "tests"), "micro"], stdin=subprocess.DEVNULL, check=True)
    return {"micro": parse_micro(_output([str(BUILD / "tests" / "micro")])),
            "verify_us": parse_speed(_output(["openssl", "speed", "-seconds", "1", "-mr", *(name for name, _ in SPEEDS.values())]))}
