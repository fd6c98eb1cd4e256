# SPDX-License-Identifier: Apache-2.0
"""Finds tokens in logs. Every minted token is remembered; nothing of it that could be used or read may stand in any log."""
import re

# httpd itself writes every request header at http:trace4 and above, before any module of ours is asked (http_request.c). Those lines are not ours.
OWN_LINES = re.compile(r"\[http:trace[4-8]\]")


class Canaries:
    def __init__(self):
        self._needles = {}

    def remember(self, token, hint=""):
        """The signature's beginning, the claims part's middle and end. (Its beginning is the same in every token of an issuer.)"""
        text = token if isinstance(token, str) else token.decode("latin-1")
        parts = text.split(".")
        claims, signature = (parts[1], parts[-1]) if len(parts) > 2 else (text, "")
        for piece in (signature[:40], claims[-40:], claims[len(claims) // 2:][:40]):
            if len(piece) >= 16:
                self._needles[piece] = hint or text[:40]

    def remember_text(self, text, hint=""):
        self._needles[text] = hint or text

    def __len__(self):
        return len(self._needles)

    def find(self, text):
        """[(needle, line)] of what stands in this text."""
        if not self._needles or not text:
            return []
        pattern = re.compile("|".join(re.escape(n) for n in self._needles))
        found = []
        for line in text.splitlines():
            if OWN_LINES.search(line):
                continue
            m = pattern.search(line)
            if m:
                found.append((m.group(0), line[:400]))
        return found
