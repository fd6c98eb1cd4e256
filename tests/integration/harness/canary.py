# SPDX-License-Identifier: Apache-2.0
"""Finds tokens in logs. Every minted token is remembered; nothing of it that could be used or read may stand in any log."""
import re

# httpd itself writes every request header at http:trace4 and above, before any module of ours is asked (http_request.c). Those lines are not ours.
OWN_LINES = re.compile(r"\[http:trace[4-8]\]")


# Nearly every needle is base64url text; such runs are rare in logs, so only they are looked into, and thousands of needles cost no more than one.
RUNS = re.compile(r"[A-Za-z0-9_-]{16,}")
WINDOW = 16


class Canaries:
    def __init__(self):
        self._needles = {}
        self._by_window = {}  # the first characters of a needle that is one run: the needles that begin so
        self._others = []

    def _add(self, needle, hint):
        if needle in self._needles:
            return
        self._needles[needle] = hint
        if RUNS.fullmatch(needle):
            self._by_window.setdefault(needle[:WINDOW], []).append(needle)
        else:
            self._others.append(needle)

    def remember(self, token, hint=""):
        """The signature's beginning, the claims part's middle and end. (Its beginning is the same in every token of an issuer.)"""
        text = token if isinstance(token, str) else token.decode("latin-1")
        parts = text.split(".")
        claims, signature = (parts[1], parts[-1]) if len(parts) > 2 else (text, "")
        for piece in (signature[:40], claims[-40:], claims[len(claims) // 2:][:40]):
            if len(piece) >= 16:
                self._add(piece, hint or text[:40])

    def remember_text(self, text, hint=""):
        self._add(text, hint or text)

    def __len__(self):
        return len(self._needles)

    def _find_in(self, line):
        for needle in self._others:
            if needle in line:
                return needle
        for run in RUNS.finditer(line):
            run = run.group(0)
            for at in range(len(run) - WINDOW + 1):
                for needle in self._by_window.get(run[at:at + WINDOW], ()):
                    if run.startswith(needle, at):
                        return needle
        return None

    def find(self, text):
        """[(needle, line)] of what stands in this text."""
        found = []
        for line in text.splitlines() if self._needles and text else ():
            if OWN_LINES.search(line):
                continue
            needle = self._find_in(line)
            if needle is not None:
                found.append((needle, line[:400]))
        return found
