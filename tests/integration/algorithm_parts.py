# SPDX-License-Identifier: Apache-2.0
"""What the attacks on algorithms, keys and signatures share: issuers of every kind, with good keys and, where asked for, some that must not be used."""
from cryptography.hazmat.primitives import hashes

from attack_parts import Attacks
from harness import HmacKey, Key, wait_until

SHORT_SECRET = "forty bytes that are no secret any longer"[:40]
SECRET = "correct horse battery staple, thirty-two bytes and more of it: 0123456789abcdef"
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def sha256(data):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def pkcs1_block(data, size=256):
    info = DIGEST_INFO + sha256(data)
    return b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info


def algorithm_attacks(module_world, weak_keys=None):
    """For the fixture "attacks" of a file. weak_keys: a table such as WEAK, published among the good ones."""
    w = module_world
    main, curves, bare, weak = w.issuer(), w.issuer(keys=[Key(a) for a in ("ES256", "ES384", "ES512", "EdDSA")]), w.issuer(), w.issuer()
    only_weak = w.issuer(keys=[Key("RS256", bits=1024)])
    hmac, short = w.issuer(keys=[HmacKey(SECRET, kid="hs")]), w.issuer(keys=[HmacKey(SHORT_SECRET)])
    # Its key names no algorithm: only the issuer's own list decides.
    bare.jwks = lambda: {"keys": [bare.key.public_jwk(alg=None)]}
    weak.keys += [Key("PS256"), *(make(kid) for kid, make in (weak_keys or {}).items())]
    for name, secret in (("hmac", SECRET), ("short", SHORT_SECRET)):
        (w.scratch / f"{name}.secret").write_text(secret)
        (w.scratch / f"{name}.secret").chmod(0o600)
    stack = w.stack(issuer=main, log_level="trace8", config=f"""
MCPAuthIssuer {curves.url}
MCPAuthIssuer {bare.url} alg=RS256
MCPAuthIssuer {weak.url}
MCPAuthIssuer {only_weak.url}
MCPAuthIssuer {hmac.url} secret=file:{w.scratch}/hmac.secret
MCPAuthIssuer {short.url} secret=file:{w.scratch}/short.secret alg=HS256,HS384,HS512
""")
    for issuer in (curves, bare, weak, only_weak, hmac, short):
        issuer.audience = stack.resource
    for issuer in (curves, bare, weak):
        wait_until(lambda issuer=issuer: stack.admind.metric("mcpauth_jwks_keys", issuer=issuer.url) > 0, 15, lambda: stack.admind.log())
    wait_until(lambda: only_weak.count("jwks") > 0, 15, "the set of weak keys was fetched")
    found = Attacks(stack, curves, bare, weak, hmac, short)
    found.curves, found.bare, found.weak, found.only_weak, found.hmac, found.short = curves, bare, weak, only_weak, hmac, short
    for issuer in (main, curves, bare, weak, hmac):
        for key in issuer.keys[:2] if issuer is weak else issuer.keys:
            wait_until(lambda issuer=issuer, key=key: stack.call(token=issuer.mint(key=key)).status == 200, 5, f"a good token of {key.alg}")
            found.accept(issuer.mint(key=key), f"{key.alg} good")
    found.fetches_at_start = found.fetches()
    yield found
    found.stop()
