# SPDX-License-Identifier: Apache-2.0
"""What is measured: groups of servers that run together, and the cases that each group is put through."""
from dataclasses import dataclass

from .tokens import BAD, COUNT, DISTINCT, KNOWN
from .variants import AGAIN, BARE, FLOOR, FLOOR_VERIFIES, LIMITED, PROXY, RPC, STATIC, US, VARIANTS

NO_AUDIT, NO_INSPECT, NEVER_SEEN = "mcpauth, audit off", "mcpauth, body not inspected", "mcpauth, never seen"
OPENIDC = ("mod_auth_openidc, key file", "mod_auth_openidc, JWKS")
OAUTH2 = ("mod_oauth2, key", "mod_oauth2, JWKS")
PEERS = OPENIDC + OAUTH2
HAPROXY_JWT = "haproxy, jwt_verify"
FEW = (BARE, AGAIN, US, NO_AUDIT, NEVER_SEEN, "mod_auth_openidc, key file", "mod_oauth2, JWKS")
PROXIES = ("nginx", "haproxy", HAPROXY_JWT)


@dataclass(frozen=True)
class Case:
    """name: for --cases; title: in the table; tokens: which are sent; body: bytes of a tools/call, 0 for a GET; over: the limit is exceeded;
    again: each token was seen before the first round."""
    name: str
    title: str
    path: str
    tokens: str
    variants: tuple
    body: int = 0
    over: bool = False
    again: bool = False

    def expected(self, variant):
        """The status of all answers, or of all but a few where a limit is exceeded."""
        if self.over and variant.limits:
            return 429
        return 401 if self.tokens == BAD and (variant.guards or variant.verifies) else 200


@dataclass(frozen=True)
class Group:
    """Servers of one kind of httpd (mpm), on so many cores, with keys of one algorithm. variants: only these of each case, unless empty."""
    mpm: str
    cores: int
    alg: str
    cases: tuple
    variants: tuple = ()

    @property
    def title(self):
        return f"{self.mpm}, {self.cores} core{'s' * (self.cores > 1)}, {self.alg}"


CASES = {c.name: c for c in (
    Case("static", "1 KB file, a known token", STATIC, KNOWN, (BARE, AGAIN, FLOOR, US, NO_AUDIT, *PEERS, "nginx")),
    Case("static-distinct", f"1 KB file, {COUNT:,} tokens in turn", STATIC, DISTINCT, (BARE, US, *PEERS), again=True),
    Case("static-new", "1 KB file, each token for the first time", STATIC, DISTINCT, (BARE, FLOOR_VERIFIES, NEVER_SEEN, *PEERS)),
    Case("static-bad", "1 KB file, each signature bad", STATIC, BAD, (BARE, FLOOR_VERIFIES, US, *PEERS)),
    Case("static-over", "1 KB file, over the limit", LIMITED, KNOWN,
         (BARE, "mcpauth, subject limit", "mcpauth, address limit", "nginx", "nginx, limit_req"), over=True),
    Case("proxy", "reverse proxy, a known token", PROXY, KNOWN, (BARE, AGAIN, FLOOR, US, NO_AUDIT, *PEERS, *PROXIES)),
    Case("proxy-new", "reverse proxy, each token for the first time", PROXY, DISTINCT, (BARE, NEVER_SEEN, *PEERS, HAPROXY_JWT)),
    Case("proxy-bad", "reverse proxy, each signature bad", PROXY, BAD, (BARE, US, *PEERS, HAPROXY_JWT)),
    Case("rpc-1k", "tools/call of 1 KB through the proxy", RPC, KNOWN, (BARE, US, NO_INSPECT, *PEERS, *PROXIES), body=1024),
    Case("rpc-100k", "tools/call of 100 KB through the proxy", RPC, KNOWN, (BARE, US, NO_INSPECT, *PEERS, *PROXIES), body=102400),
)}

GROUPS = (
    Group("event", 1, "RS256", tuple(CASES)),
    Group("event", 1, "ES256", ("static-new", "proxy-new"), (BARE, NEVER_SEEN, *PEERS, HAPROXY_JWT)),
    Group("event", 1, "EdDSA", ("static-new", "proxy-new"), (BARE, NEVER_SEEN, *PEERS, HAPROXY_JWT)),
    Group("event", 2, "RS256", ("static", "static-new"), FEW),
    Group("prefork", 1, "RS256", ("static", "static-new"), FEW),
    Group("prefork", 2, "RS256", ("static",), FEW),
)
# --quick: one group, the cases that tell the bars.
QUICK_GROUP, QUICK_CASES = GROUPS[0], ("static", "static-new", "static-bad", "proxy", "rpc-1k")

assert all(v in VARIANTS for c in CASES.values() for v in c.variants) and all(c in CASES for g in GROUPS for c in g.cases)
