# SPDX-License-Identifier: Apache-2.0
"""What the attacks on the way of a request share: a stack with each way of putting a server behind the gate, and requests as bytes."""
import re

from attack_parts import Attacks
from harness import wait_until

# Of what is on loopback another Host would be refused for its name: test_module_host.py.
PUBLIC = "https://mcp.example.com"
GUARD = "MCPAuth On\nMCPAuthResource {httpd}%s\nProxyPass {upstream}%s\n%s"
# Each way of putting a server behind the gate, as a name-based host of its own. Every one of them guards /mcp.
HOSTS = """
<VirtualHost 127.0.0.1:{port}>
  ServerName inside.test
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName encoded.test
  AllowEncodedSlashes On
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName nodecode.test
  AllowEncodedSlashes NoDecode
  MergeSlashes Off
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName pass.test
  ProxyPass /mcp {upstream}/mcp
  ProxyPass /open {upstream}/open
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName pass-raw.test
  AllowEncodedSlashes NoDecode
  MergeSlashes Off
  ProxyPass /mcp {upstream}/mcp nocanon
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName match.test
  <LocationMatch "^/mcp">
    MCPAuth On
    MCPAuthResource {resource}
    ProxyPassMatch {upstream}/mcp
  </LocationMatch>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName rewrite.test
  RewriteEngine On
  RewriteRule ^/+(mcp.*)$ {upstream}/$1 [P,NC]
  <Proxy "*">
    MCPAuth On
    MCPAuthResource {resource}
  </Proxy>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName all.test
  AllowEncodedSlashes NoDecode
  MergeSlashes Off
  ProxyPass / {upstream}/ nocanon
  <Location />
    MCPAuth On
    MCPAuthResource {resource}
  </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
  ServerName catch-all.test
  ProxyPass / {upstream}/
</VirtualHost>
"""
HOST_NAMES = re.findall(r"ServerName (\S+)", HOSTS)
MANAGED = ["X-MCP-Subject", "X-MCP-Client-ID", "X-MCP-Scopes", "X-MCP-Issuer", "X-MCP-Token-ID"]


def transport_attacks(module_world):
    """For the fixture "attacks" of a file. httpd itself writes header lines that it cannot read, and mod_http2 all of them, into its log; so core and http2
    are at info here."""
    w = module_world
    main, exact = w.issuer(alg="ES256"), w.issuer(alg="ES256")
    stack = w.stack(
        issuer=main, resource=PUBLIC + "/mcp", log_level="trace8 core:info http2:info", modules=["proxy", "proxy_http", "http2", "rewrite"], tls=True,
        tls_config="SSLVerifyClient optional_no_ca\nSSLOptions +StdEnvVars +ExportCertData",
        config=f"Protocols h2c http/1.1\nMCPAuthIssuer {exact.url} skew=0\n{HOSTS}",
        locations={"/cors": GUARD % ("/cors", "/cors", "MCPAuthOrigin https://good.example http://localhost:6274"),
                   "/quiet": GUARD % ("/quiet", "/quiet", "MCPAuthIdentityHeaders Off")})
    exact.audience = stack.resource
    wait_until(lambda: stack.admind.metric("mcpauth_jwks_keys", issuer=exact.url) > 0, 15, lambda: stack.admind.log())
    found = Attacks(stack, exact)
    found.exact = exact
    main.audience = [stack.resource, stack.httpd.url + "/cors", stack.httpd.url + "/quiet"]
    for issuer in (main, exact):
        wait_until(lambda issuer=issuer: stack.call(token=issuer.mint()).status == 200, 5, "a good token is let in")
    found.fetches_at_start = found.fetches()
    yield found
    found.stop()


def request(attacks, lines, body=b"", target="/mcp", method="POST", close=True, host="x"):
    """A request as bytes: these header lines as they are."""
    head = [f"{method} {target} HTTP/1.1".encode("latin-1"), f"Host: {host}".encode(), *[line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]]
    if close:
        head.append(b"Connection: close")
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def statuses(received):
    return [int(s) for s in re.findall(rb"(?:^|\n|[^\n])HTTP/1\.1 (\d{3}) ", received)]


def bearer(token):
    return "Authorization: Bearer " + token


def variants(name):
    return {name, name.lower(), name.upper(), name.replace("-", "_"), name.replace("-", "_").upper(), name.replace("-", "_", 1), name[:2] + name[2:].replace("-", "_"), name.swapcase()}


def folded(name):
    return name.lower().replace("_", "-")
