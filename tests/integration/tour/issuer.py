# SPDX-License-Identifier: Apache-2.0
"""issuer.py PORT PUBLIC_MODULUS_HEX KID   The part of an authorization server that a resource server sees: metadata and keys.
The tour's tokens are minted by ../mint.c with the private key, which this program does not have."""
import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, modulus, kid = int(sys.argv[1]), bytes.fromhex(sys.argv[2]), sys.argv[3]
url = f"http://127.0.0.1:{port}"
metadata = {
    "issuer": url, "jwks_uri": url + "/jwks", "authorization_endpoint": url + "/authorize", "token_endpoint": url + "/token",
    "response_types_supported": ["code"], "grant_types_supported": ["authorization_code"], "code_challenge_methods_supported": ["S256"],
}
jwks = {"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "e": "AQAB", "n": base64.urlsafe_b64encode(modulus).rstrip(b"=").decode()}]}
documents = {"/.well-known/oauth-authorization-server": metadata, "/.well-known/openid-configuration": metadata, "/jwks": jwks}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        document = documents.get(self.path.split("?")[0])
        body = json.dumps(document or {"error": "not_found"}).encode()
        self.send_response(200 if document else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "max-age=300")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
