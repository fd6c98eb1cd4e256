# SPDX-License-Identifier: Apache-2.0
"""Attacks 71 to 73, 78 and 93: a token at another time, in other hands, or taken for another. Tokens that are bound to a key or a certificate are not
supported yet, and so they are refused whatever comes with them: a bound one is never taken for a plain one."""
import ssl
import time

import pytest

from attack_parts import plain
from harness import send, wait_until
from harness.issuer import b64url
from harness.tls import Tls
from transport_parts import transport_attacks


@pytest.fixture(scope="module")
def attacks(module_world):
    yield from transport_attacks(module_world)


# -- 71: replay -------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.alone
def test_71_a_cached_token_ends_with_its_exp_and_restarts_change_nothing(attacks):
    """Known from before, over a graceful restart and over a full one."""
    stack, issuer = attacks.stack, attacks.exact
    end = int(time.time()) + 10
    short, long = issuer.mint(exp=end), issuer.mint(expires_in=600)
    for token in (short, long):
        for _ in range(3):
            attacks.accept(token, "71 cached")
    stack.httpd.graceful()
    wait_until(lambda: stack.call(token=long).status == 200, 5, "the new generation knows the keys")
    assert time.time() < end, "this machine is too slow for this test"
    attacks.accept(short, "71 after a graceful restart")
    wait_until(lambda: time.time() >= end, 30, "it is over")
    for _ in range(8):
        attacks.refuse(short, "expired", attack="71 from the cache, past exp")
    attacks.accept(long, "71 the long one")
    stack.httpd.graceful()
    for _ in range(4):
        attacks.refuse(short, "expired", attack="71 past exp, after a graceful restart")
    stack.admind.wait_journal(1, user_agent=attacks.expected[-1][1])
    stack.httpd.stop()
    stack.httpd.start()
    for _ in range(4):
        attacks.refuse(short, "expired", attack="71 past exp, after a restart")
    attacks.accept(long, "71 the long one after a restart")


# -- 72, 73: bound to a key -----------------------------------------------------------------------------------------------------------------------

PROOF = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2In0.e30.AAAA"


@pytest.mark.parametrize("cnf", [{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, {"jkt": ""}, {"jkt": None}, {}, None, "0ZcOCORZNYy"], ids=lambda c: f"72 cnf {c}")
def test_a_bound_token_is_no_plain_one(attacks, cnf):
    """RFC 9449 section 7.2: also as a Bearer token, and whatever stands in the header of a proof."""
    for proof in ([], [("DPoP", "x")], [("DPoP", PROOF)]):
        token = attacks.stack.token(payload=plain({**attacks.stack.issuer.claims(), "cnf": cnf}))
        attacks.refuse(token, "binding_unsupported", attack=f"72 {cnf}", headers=proof)


def test_73_a_plain_token_is_not_let_in_under_the_other_scheme(attacks):
    for proof in ([], [("DPoP", "x.y.z")], [("DPoP", PROOF)]):
        for scheme in ("DPoP", "dpop", "DPOP"):
            token = attacks.remember(attacks.stack.token())
            attacks.refuse(headers=[("Authorization", f"{scheme} {token}"), *proof], reason="token_malformed", attack=f"73 {scheme}")

# -- 78: a certificate in a header --------------------------------------------------------------------------------------------------------------------

FORGED = ["SSL_CLIENT_CERT", "SSL-Client-Cert", "X-SSL-Client-Cert", "X-SSL-CERT", "X-Client-Cert", "Client-Cert", "X-Forwarded-Client-Cert", "X-ARR-ClientCert", "SSL_CLIENT_VERIFY", "X-Amzn-Mtls-Clientcert"]


@pytest.fixture(scope="module")
def client_certificate(module_world):
    from cryptography.hazmat.primitives import hashes
    folder = module_world.scratch / "client"
    folder.mkdir()
    made = Tls(folder)
    der = ssl.PEM_cert_to_DER_cert(made.certificate.read_text())
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return made, b64url(digest.finalize())


@pytest.mark.parametrize("name", FORGED, ids=lambda n: f"78 {n}")
def test_a_certificate_in_a_header_proves_nothing(attacks, client_certificate, name):
    certificate_of, thumbprint = client_certificate
    pem = certificate_of.certificate.read_text().replace("\n", " ")
    for value in (pem, pem.replace(" ", "%20"), "SUCCESS", thumbprint):
        attacks.refuse(attacks.stack.token(cnf={"x5t#S256": thumbprint}), "binding_unsupported", attack=f"78 {name}", headers=[(name, value)])


def test_78_no_certificate_and_the_wrong_certificate(attacks, client_certificate):
    """Over TLS, where there could be one. No binding is supported yet, so the right one is refused too: never taken for a plain token."""
    certificate_of, thumbprint = client_certificate
    world = attacks.stack.world
    for bound in (thumbprint, b64url(b"x" * 32), ""):
        for shown in (False, True):
            context = world.tls.client()
            if shown:
                context.load_cert_chain(certificate_of.certificate, certificate_of.key)
            agent = attacks.new_agent(f"78 TLS, shown: {shown}", "binding_unsupported")
            token = attacks.stack.token(cnf={"x5t#S256": bound})
            with attacks.stack.upstream.untouched():
                answer = send(attacks.stack.httpd.tls_port, "POST", "/mcp", [("User-Agent", agent)], b"{}", token, tls=context)
            assert answer.status == 401 and answer.challenge["error"] == "invalid_token", answer


# -- 93: what is remembered of tokens ---------------------------------------------------------------------------------------------------------------

def test_93_a_known_token_lends_nothing_to_those_that_look_like_it(attacks):
    """Verdicts are kept under the hash of the whole token. There is no memory of refused ones that a flood could fill."""
    good = attacks.stack.token()
    head, body, signature = good.split(".")
    other_head, other_body, other_signature = attacks.stack.token(sub="mallory").split(".")
    for _ in range(4):
        attacks.accept(good, "93 known")
    alike = [f"{head}.{body}.{other_signature}", f"{head}.{other_body}.{signature}", f"{head}.{body}.{signature[:-4]}AAAA", f"{head}.{body}.AAAA{signature[4:]}", f"{head}.{body}.", f"{good}.{signature}",
             f"{good}{signature}", good[:-1], f"{head}.{body}.{signature.swapcase()}", f"{other_body}.{other_head}.{signature}"]
    for token in alike:
        for _ in range(2):
            attacks.refuse(token, ("signature_bad", "token_malformed"), attack="93 alike")
    attacks.accept(good, "93 still known")


# -- what holds for all of them -----------------------------------------------------------------------------------------------------------------------

def test_a_good_token_is_still_let_in(attacks):
    attacks.accept(attacks.stack.token())
    assert attacks.stack.httpd.crashes() == []


def test_the_journal_has_the_reason_of_every_attack(attacks):
    attacks.check_journal()


def test_no_attack_caused_a_fetch(attacks):
    assert attacks.fetches() == attacks.fetches_at_start
    attacks.check_fetches()


def test_no_part_of_these_tokens_is_in_any_log(attacks):
    attacks.check_logs()
