# SPDX-License-Identifier: Apache-2.0
"""The tokens that everybody is sent: of one size, made once for each algorithm, in files that wrk's script reads line by line."""
import json
import time

from harness.issuer import Issuer, Key

AUDIENCE = "https://mcp.example.com/bench"
BYTES = 800
COUNT = 10_000
KNOWN, DISTINCT, BAD = "known", "distinct", "bad"


class Tokens:
    """keys of one algorithm, the files others need of them, and token files: one known token, COUNT distinct ones, COUNT with a bad signature."""

    def __init__(self, scratch, alg):
        self.folder = scratch / f"tokens-{alg}"
        self.folder.mkdir(mode=0o755)
        self.alg = alg
        self.issuer = Issuer(audience=AUDIENCE, alg=alg)
        # Same algorithm, same kid: nothing but the verification can tell.
        self.stranger = Key(alg, kid=self.issuer.key.kid)
        self.expires = int(time.time()) + 86400
        self.pad = ""
        self.pad = "x" * max(0, (BYTES - len(self._mint(0))) * 3 // 4)
        self.jwks_path = self._write("jwks.json", json.dumps(self.issuer.jwks()))
        self.pem_path = self.folder / "public.pem"
        self.pem_path.write_bytes(self.issuer.key.public_pem())
        self._made = {}

    def jwk(self):
        return json.dumps(self.issuer.key.public_jwk(), separators=(",", ":"))

    def _write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def _mint(self, number):
        # The claims every issuer of RFC 9068 tokens writes, and what a real one adds.
        return self.issuer.mint(sub=f"subject-{number % 100}", jti=f"{number:016d}", canary=None, exp=self.expires, roles=self.pad)

    def wrong(self):
        """{what is wrong: token}: what everybody who looks at tokens is to refuse, so that all do the same work."""
        now = int(time.time())
        changes = {"another audience": {"aud": "https://other.example/"}, "another issuer": {"iss": "https://other.example/"},
                   "expired": {"exp": now - 1000, "iat": now - 2000, "nbf": now - 2000}, "not signed": {"alg": "none", "signature": b""}}
        changes["signed by another key"] = {"key": self.stranger}
        return {what: self.issuer.mint(**{"exp": self.expires, **change}) for what, change in changes.items()}

    def path(self, kind):
        if kind not in self._made:
            self._made[kind] = self._write(kind, "".join(token + "\n" for token in getattr(self, f"_{kind}")()))
        return self._made[kind]

    def one(self, kind):
        with self.path(kind).open() as lines:
            return next(lines).strip()

    def _known(self):
        return [self._mint(0)]

    def _distinct(self):
        return [self._mint(n) for n in range(1, COUNT + 1)]

    def _bad(self):
        """Each has the next one's signature: right in form and size, so that nothing but the verification can tell."""
        parts = [line.rsplit(".", 1) for line in self.path(DISTINCT).read_text().split()]
        return [f"{signed}.{parts[(n + 1) % len(parts)][1]}" for n, (signed, _) in enumerate(parts)]


def rpc_body(size):
    """A tools/call of so many bytes whose arguments look like a table that a client hands to a tool."""
    rows = []

    def text():
        call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "echo", "arguments": {"rows": rows, "note": ""}}}
        return json.dumps(call, separators=(",", ":"))

    row = {"id": 1000, "name": "Grace \"Amazing\" Hopper", "ok": True, "score": 93.75, "tags": ["a/b", "c\\d"], "text": "line one\nline two, caf\u00e9"}
    rows += [row] * max(0, (size - len(text())) // (len(json.dumps(row, separators=(",", ":"))) + 1))
    filler = size - len(text())
    return text().replace('"note":""', '"note":"' + "n" * filler + '"')


