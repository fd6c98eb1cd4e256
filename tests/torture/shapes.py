# SPDX-License-Identifier: Apache-2.0
"""What the load is made of, and what the judge expects of it: one row a kind of request."""
import collections

# weight: how often, against the others. headers: lines, {good} is a token. decides: what is let in has a decision in the journal, for MCPAuthAudit
# is Required there. status: of its usual answer; of other ones too the record must be there.
Shape = collections.namedtuple("Shape", "name weight method place headers decides status")

GOOD, BAD = "Authorization: Bearer {good}\r\n", "Authorization: Bearer no.such.token\r\n"
PREFLIGHT = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: POST\r\n"
SHAPES = (
    Shape("file", 20, "GET", "/mcp/file", GOOD, True, 200),
    Shape("file-on", 14, "GET", "/on/file", GOOD, False, 200),
    Shape("big", 8, "GET", "/mcp/big", GOOD, True, 200),  # in many writes
    Shape("head", 6, "HEAD", "/mcp/file", GOOD, False, 405),
    Shape("closing", 4, "GET", "/mcp/file", GOOD + "Connection: close\r\n", True, 200),
    Shape("unchanged", 4, "GET", "/mcp/file", GOOD + "If-None-Match: *\r\n", True, 304),
    Shape("missing", 4, "GET", "/mcp/none", GOOD, True, 404),  # an answer of httpd's own
    Shape("length", 8, "GET", "/mcp/length", GOOD, True, 200),  # proxied
    Shape("chunked", 8, "GET", "/mcp/chunked", GOOD, True, 200),
    Shape("chunked-on", 6, "GET", "/on/chunked", GOOD, False, 200),
    Shape("unknown", 5, "GET", "/mcp/file", BAD, False, 401),
    Shape("unknown-on", 5, "GET", "/on/file", BAD, False, 401),
    Shape("forbidden", 4, "GET", "/mcp/admin", GOOD, False, 403),
    Shape("limited", 4, "GET", "/on/limited", GOOD, False, 429),  # after the first
    Shape("preflight", 4, "OPTIONS", "/mcp/file", PREFLIGHT, False, 204),
)

_GUARD = "MCPAuth On\nMCPAuthResource https://torture.example.com/mcp\nMCPAuthScope mcp:tools.read\nMCPAuthOrigin https://app.example.com\nMCPAuthAudit "
LOCATIONS = {"/mcp": _GUARD + "Required", "/on": _GUARD + "On", "/mcp/admin": "MCPAuthScope mcp:admin", "/on/limited": "MCPAuthRateLimit subject 1/day"}
MODULES = ("alias", "proxy", "proxy_http")


def config(upstream_port):
    """Lines of httpd.conf: what answers where."""
    proxied = "".join(f'ProxyPass "/{at}/" "http://127.0.0.1:{upstream_port}/{at.split("/")[1]}/" retry=0\n' for at in ("mcp/length", "mcp/chunked", "on/chunked"))
    return proxied + 'AliasMatch "^/mcp/big/" "{folder}/htdocs/big"\nAliasMatch "^/(mcp|on)/(file|admin|limited)/" "{folder}/htdocs/index.html"\n'


def words(token):
    """The kinds, as the hammer's command line has them."""
    return [word for s in SHAPES for word in (s.weight, s.method, s.place, s.headers.replace("{good}", token))]
