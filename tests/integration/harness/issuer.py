# SPDX-License-Identifier: Apache-2.0
"""An authorization server that mints by hand, so that any malformed token can be made, and serves its metadata and keys."""
import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from .process import free_port


def b64url(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(n, size=None):
    return b64url(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "secp256k1": ec.SECP256K1}
CURVE_OF = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "ES256K": "secp256k1"}


class Key:
    """A signing key. alg: RS/PS 256|384|512, ES256|384|512, ES256K, EdDSA. bits: of an RSA key. kid None: a random one; "" : no kid."""

    def __init__(self, alg="RS256", kid=None, bits=2048, exponent=65537):
        self.alg = alg
        self.kid = secrets.token_urlsafe(12) if kid is None else kid
        if alg[:2] in ("RS", "PS"):
            self.private = rsa.generate_private_key(exponent, bits)
        elif alg in CURVE_OF:
            self.private = ec.generate_private_key(CURVES[CURVE_OF[alg]]())
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            raise ValueError(alg)

    def sign(self, data, alg=None):
        """alg: sign with another algorithm of the same kind of key (RS384 with an RS256 key)."""
        alg = alg or self.alg
        if alg.startswith("RS"):
            return self.private.sign(data, padding.PKCS1v15(), HASHES[alg[2:]]())
        if alg.startswith("PS"):
            digest = HASHES[alg[2:]]()
            return self.private.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        if alg.startswith("ES"):
            size = (self.private.key_size + 7) // 8
            r, s = decode_dss_signature(self.private.sign(data, ec.ECDSA(HASHES[alg[2:5]]())))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        return self.private.sign(data)

    def public_jwk(self, **changes):
        """The key as it stands in a JWKS. changes: members to set, or to leave out with None."""
        public = self.private.public_key()
        if isinstance(self.private, rsa.RSAPrivateKey):
            n = public.public_numbers()
            jwk = {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
        elif isinstance(self.private, ec.EllipticCurvePrivateKey):
            n, size = public.public_numbers(), (self.private.key_size + 7) // 8
            jwk = {"kty": "EC", "crv": CURVE_OF[self.alg], "x": number(n.x, size), "y": number(n.y, size)}
        else:
            jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64url(public.public_bytes(ser.Encoding.Raw, ser.PublicFormat.Raw))}
        jwk.update({"alg": self.alg, "use": "sig", "kid": self.kid}, **changes)
        return {k: v for k, v in jwk.items() if v not in (None, "")}

    def public_pem(self):
        return self.private.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo)

    def private_pem(self):
        return self.private.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())


class HmacKey:
    """HS256|384|512 with a secret."""

    def __init__(self, secret, alg="HS256", kid=""):
        self.secret = secret if isinstance(secret, bytes) else secret.encode()
        self.alg = alg
        self.kid = kid

    def sign(self, data, alg=None):
        return hmac.new(self.secret, data, getattr(hashlib, "sha" + (alg or self.alg)[2:])).digest()


class Issuer:
    """
    keys       the keys in its JWKS; keys[0] signs
    audience   default 'aud' of tokens

    behave("jwks", delay=2.0)   how one of "jwks", "oauth", "openid" answers from now on; behave("jwks") makes it well again:
        status=500, body=b"...", content_type="text/html", delay=seconds before the answer, redirect=URL, size=pad the answer to so many bytes,
        drip=seconds between single bytes, close=True (closes without an answer), headers={...}
    count("jwks")               requests so far; requests: [(path, headers, time)]
    """

    PATHS = {"jwks": "/jwks", "oauth": "/.well-known/oauth-authorization-server", "openid": "/.well-known/openid-configuration"}

    def __init__(self, audience=None, alg="RS256", keys=None, canaries=None, max_age=None, path="", tls=None):
        self.keys = list(keys) if keys is not None else [Key(alg)]
        self.audience = audience
        self.canaries = canaries
        self.max_age = max_age
        self.requests = []
        self.port = free_port()
        self.path = path  # an issuer below a path, as Keycloak's realms are
        self.tls = tls  # a Tls: serves https
        self._behaviour = {}
        self._lock = threading.Lock()
        self._server = None

    # -- serving ----------------------------------------------------------------------------------------------------------------------

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}{self.path}"

    @property
    def jwks_url(self):
        return self.url + "/jwks"

    def jwks(self):
        return {"keys": [k.public_jwk() for k in self.keys if isinstance(k, Key)]}

    def metadata(self):
        return {
            "issuer": self.url, "jwks_uri": self.jwks_url, "authorization_endpoint": self.url + "/authorize", "token_endpoint": self.url + "/token",
            "response_types_supported": ["code"], "grant_types_supported": ["authorization_code"], "code_challenge_methods_supported": ["S256"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
        }

    def behave(self, what, **how):
        with self._lock:
            self._behaviour[what] = how

    def count(self, what=None):
        with self._lock:
            return sum(1 for name, _, _, _ in self.requests if what is None or name == what)

    def _name_of(self, path):
        path = path.split("?")[0]
        for name, suffix in self.PATHS.items():
            # RFC 8414 inserts the well-known part before the issuer's path, OpenID appends it.
            if path in (self.path + suffix, suffix + self.path):
                return name
        return "other"

    def start(self):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two writes: without this each answer waits for a delayed acknowledgement

            def log_message(self, *_):
                pass

            def do_GET(self):
                issuer._answer(self)

            do_POST = do_HEAD = do_GET

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        if self.tls:
            # The handshake belongs to the connection's own thread, so that a silent client holds up nobody.
            self._server.socket = self.tls.server().wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        """Unreachable from now on; start() brings it back on the same port."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, handler):
        name = self._name_of(handler.path)
        with self._lock:
            self.requests.append((name, handler.path, list(handler.headers.items()), time.time()))
            how = dict(self._behaviour.get(name, {}))
        if how.get("delay"):
            time.sleep(how["delay"])
        if how.get("close"):
            handler.close_connection = True
            return
        if "redirect" in how:
            handler.send_response(302)
            handler.send_header("Location", how["redirect"])
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        status = how.get("status", 200 if name != "other" else 404)
        if "body" in how:
            body = how["body"] if isinstance(how["body"], bytes) else str(how["body"]).encode()
        else:
            body = json.dumps({"jwks": self.jwks, "oauth": self.metadata, "openid": self.metadata}.get(name, dict)()).encode()
        if how.get("size"):
            body = body[:-1] + b" " * max(0, how["size"] - len(body)) + body[-1:]
        handler.send_response(status)
        handler.send_header("Content-Type", how.get("content_type", "application/json"))
        handler.send_header("Content-Length", str(len(body)))
        if self.max_age is not None:
            handler.send_header("Cache-Control", f"max-age={self.max_age}")
        for key, value in how.get("headers", {}).items():
            handler.send_header(key, value)
        handler.end_headers()
        if handler.command == "HEAD":
            return
        try:
            if how.get("drip"):
                for byte in body:
                    handler.wfile.write(bytes([byte]))
                    handler.wfile.flush()
                    time.sleep(how["drip"])
            else:
                handler.wfile.write(body)
        except OSError:
            handler.close_connection = True

    # -- keys -------------------------------------------------------------------------------------------------------------------------

    @property
    def key(self):
        return self.keys[0]

    def rotate(self, alg=None, overlap=True):
        """A new key signs from now on; the old ones stay in the JWKS (overlap) or are gone at once."""
        new = Key(alg or self.key.alg)
        self.keys = [new] + (self.keys if overlap else [])
        return new

    # -- minting ----------------------------------------------------------------------------------------------------------------------

    def claims(self, **changes):
        """The claims of a good access token (RFC 9068), with these set, or left out with None. A name with '-' goes in as {"**": ...}."""
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": self.audience, "sub": "alice", "client_id": "harness", "iat": now, "nbf": now, "exp": now + 600,
            "jti": secrets.token_urlsafe(12), "scope": "mcp:tools.read mcp:tools.exec", "canary": "canary-" + secrets.token_hex(12),
        }
        claims.update(changes)
        return {k: v for k, v in claims.items() if v is not None}

    def mint(self, key=None, alg=None, header=None, drop_header=(), signing_alg=None, payload=None, header_raw=None, signature=None, expires_in=None, **changes):
        """
        A compact JWS. With no argument: a good token.
          key, alg       sign with this key; what the header says of it (alg="none" with signature=b"" is alg none)
          header         members to add or change; drop_header: members to leave out
          signing_alg    the algorithm really used, where it is to differ from the header's
          payload, header_raw, signature   raw bytes instead of what would be made
          expires_in     seconds from now, may be negative
          everything else: claims (None leaves one out)
        """
        key = key or self.key
        fields = {"alg": alg or key.alg, "typ": "at+jwt", "kid": key.kid}
        fields.update(header or {})
        for name in drop_header:
            fields.pop(name, None)
        if not fields.get("kid"):
            fields.pop("kid", None)
        if expires_in is not None:
            changes.setdefault("exp", int(time.time()) + expires_in)
        claims = self.claims(**changes)
        head = b64url(header_raw if header_raw is not None else json.dumps(fields, separators=(",", ":")))
        body = b64url(payload if payload is not None else json.dumps(claims, separators=(",", ":")))
        if signature is None:
            signature = key.sign(f"{head}.{body}".encode(), signing_alg or (alg if alg and type(key) is Key and alg[:2] == key.alg[:2] else None))
        token = f"{head}.{body}.{b64url(signature)}"
        if self.canaries is not None:
            self.canaries.remember(token)
            if payload is None and "canary" in claims:
                self.canaries.remember_text(str(claims["canary"]))
        return token
