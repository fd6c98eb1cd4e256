# SPDX-License-Identifier: Apache-2.0
"""Wrong configuration is refused before anything starts; the message names file, line and the mend. Every directive has its row here."""
import os
import re

import pytest

from harness import paths
from module_parts import key_file

GOOD = "MCPAuth On\nMCPAuthResource https://mcp.example.com/mcp\nMCPAuthIssuer https://as.example.com\n"

# In <Location /mcp>, after GOOD unless the row says "alone": the line, and words of the refusal.
IN_LOCATION = [
    ("MCPAuth Perhaps", "alone", "On, Off or Shadow"),
    ("MCPAuth Off", "", "leave one of the two lines out"),
    ("MCPAuthResource mcp.example.com/mcp", "alone", "write the URL that clients use"),
    ("MCPAuthResource https://mcp.example.com/mcp?x=1", "alone", "neither query nor fragment"),
    ("MCPAuthResource https://user@mcp.example.com/", "alone", "write the URL that clients use"),
    ("MCPAuthAudience \"two words\"", "", "each audience is one word"),
    ("MCPAuthIssuer ftp://as.example.com", "", "must be an https URL"),
    ("MCPAuthIssuer https://as.example.com", "", "stands here twice"),
    ("MCPAuthIssuer https://other.example.com alg=HS256", "", "needs secret=file:PATH"),
    ("MCPAuthIssuer https://other.example.com alg=none", "", "unknown algorithm"),
    ("MCPAuthIssuer https://other.example.com typ=jwt", "", "typ= must be at+jwt or any"),
    ("MCPAuthIssuer https://other.example.com skew=301", "", "0 to 300"),
    ("MCPAuthIssuer https://other.example.com secret=hunter2", "", "must be file:PATH"),
    ("MCPAuthIssuer https://other.example.com preset=acme", "", "preset= must be one of: "),
    ("MCPAuthIssuer https://other.example.com jwks=file:keys.json", "", "absolute path"),
    ("MCPAuthIssuer https://other.example.com colour=red", "", "is none of its options"),
    ("MCPAuthIssuer", "", "needs the issuer's URL"),
    ("MCPAuthScope mcp:tools.read,mcp:admin mcp\"x", "", "is no scope"),
    ("MCPAuthRateLimit user 1/s", "", "write subject, client, address or tool"),
    ("MCPAuthRateLimit subject 0/s", "", "MCPAuthRateLimit subject 100/min burst=20"),
    ("MCPAuthRateLimit subject 1/week", "", "MCPAuthRateLimit subject 100/min burst=20"),
    ("MCPAuthRateLimit subject 1/s 20", "", "write burst=N"),
    ("MCPAuthRateLimit subject 1/s burst=0", "", "burst must be a number"),
    ("MCPAuthOrigin *", "", "* and null are never let in"),
    ("MCPAuthOrigin https://App.example.com", "", "host in lower case"),
    ("MCPAuthOrigin https://app.example.com/", "", "no path"),
    ("MCPAuthOrigin https://app.example.com:443", "", "not the default"),
    ("MCPAuthIdentityHeaders Maybe", "", "must be On or Off"),
    ("MCPAuthForwardToken Maybe", "", "must be On or Off"),
    ("MCPAuthSecurityHeaders Maybe", "", "must be On or Off"),
    ("MCPAuthStreamUntilExpiry Maybe", "", "must be On or Off"),
    ("MCPAuthMaxStreams many", "", "must be a number from 1 to 1000000, or unlimited"),
    ("MCPAuthMaxStreams 0", "", "must be a number from 1 to 1000000, or unlimited"),
    ("MCPAuthMaxStreams 1000001", "", "must be a number from 1 to 1000000, or unlimited"),
    ("MCPAuthAudit Sometimes", "", "On, Off or Required"),
    ("MCPAuthInspect Perhaps", "", "must be Body, Headers or Off"),
    ("MCPAuthMaxBody much", "", "a size from 1k to 256m"),
    ("MCPAuthMaxBody 1", "", "a size from 1k to 256m"),
    ("MCPAuthMaxBody 1g", "", "a size from 1k to 256m"),
    ("MCPAuthMaxLength token", "", "takes two arguments"),
    ("MCPAuthMaxLength header 8k", "", "write token, id, method, name or uri"),
    ("MCPAuthMaxLength token 511", "", "must be a number of bytes from 512 to 16384, as in 8192"),
    ("MCPAuthMaxLength token 16385", "", "must be a number of bytes from 512 to 16384, as in 8192"),
    ("MCPAuthMaxLength id long", "", "must be a number of bytes from 64 to 1024, as in 255"),
    ("MCPAuthMaxLength method 513", "", "must be a number of bytes from 64 to 512, as in 255"),
    ("MCPAuthMaxLength name 63", "", "must be a number of bytes from 64 to 1024, as in 255"),
    ("MCPAuthMaxLength uri 255", "", "must be a number of bytes from 256 to 2048, as in 2048"),
    ("MCPAuthOperation tools/call", "", "write METHOD[:NAME] and then the scopes"),
    ("MCPAuthOperation tools/call granted denied", "", "granted alone, denied alone, or scopes"),
    ("MCPAuthOperation tools/call a,b c\"d", "", "granted alone, denied alone, or scopes"),
    ("MCPAuthOperation \"tools call\" granted", "", "MCPAuthOperation: \"tools call\": "),
    ("MCPAuthProtocol 2025", "", "write one or more of 2024-11-05, "),
    ("MCPAuthMode development", "", "write it outside of sections"),
    ("MCPAuthScopeImplies a b", "", "write it outside of sections"),
    ("MCPAuthScopeAlias a b", "", "write it outside of sections"),
    ("MCPAuthKeyWait 10", "", "write it outside of sections"),
    ("MCPAuthSecurityTxt /x", "", "write it outside of sections"),
    ("MCPAuthSocket /x/y", "", "write it outside of sections"),
    ("MCPAuthStateDir /x", "", "write it outside of sections"),
    ("MCPAuthSpoolDir /x", "", "write it outside of sections"),
    ("MCPAuthTokenCache 1024", "", "write it outside of sections"),
    ("MCPAuthLimitTable 1024", "", "write it outside of sections"),
    ("MCPAuthSessionTable 1024", "", "write it outside of sections"),
    ("MCPAuthSessionTimeout 1h", "", "write it outside of sections"),
    ("Require mcp-scope", "", "needs at least one scope"),
    ("Require mcp-scope \"a\\\"b\"", "", "is no scope"),
    ("Require mcp-claim dept", "", "write CLAIM = VALUE"),
    ("Require mcp-claim dept like sales", "", "write CLAIM = VALUE"),
    ("Require mcp-claim dept =", "", "takes exactly one value"),
    ("Require mcp-claim dept = a b", "", "takes exactly one value"),
    ("Require mcp-claim dept exists yes", "", "takes no value"),
    ("<Limit GET>\nMCPAuthScope x\n</Limit>", "", "cannot stand inside <Limit>"),
]
# At server level.
IN_SERVER = [
    ("MCPAuth On", "belongs inside <Location>"),
    ("MCPAuthResource https://mcp.example.com/", "belongs inside <Location>"),
    ("MCPAuthAudience x", "belongs inside <Location>"),
    ("MCPAuthScope x", "belongs inside <Location>"),
    ("MCPAuthRateLimit subject 1/s", "belongs inside <Location>"),
    ("MCPAuthOrigin https://app.example.com", "belongs inside <Location>"),
    ("MCPAuthIdentityHeaders On", "belongs inside <Location>"),
    ("MCPAuthForwardToken On", "belongs inside <Location>"),
    ("MCPAuthSecurityHeaders On", "belongs inside <Location>"),
    ("MCPAuthAudit On", "belongs inside <Location>"),
    ("MCPAuthStreamUntilExpiry On", "belongs inside <Location>"),
    ("MCPAuthMaxStreams 5", "belongs inside <Location>"),
    ("MCPAuthInspect Body", "belongs inside <Location>"),
    ("MCPAuthMaxBody 4m", "belongs inside <Location>"),
    ("MCPAuthMaxLength token 8k", "belongs inside <Location>"),
    ("MCPAuthOperation tools/call granted", "belongs inside <Location>"),
    ("MCPAuthProtocol 2025-11-25", "belongs inside <Location>"),
    ("<Files x>\nMCPAuth On\n</Files>", "write it directly in the <Location>"),
    ("MCPAuthMode test", "production or development"),
    ("MCPAuthScopeImplies a \"b,\\\"c\"", "are not two scopes"),
    ("MCPAuthScopeAlias \"a b\" c", "are not two scopes"),
    ("MCPAuthSecurityTxt security.txt", "must be an absolute path"),
    ("MCPAuthKeyWait soon", "must be a number from 0 to 60000"),
    ("MCPAuthKeyWait 60001", "must be a number from 0 to 60000"),
    ("MCPAuthSocket run/mcpauth.sock", "there is only one|must be an absolute path"),
    ("MCPAuthSocket /" + "x" * 101, "at most 100 characters"),
    ("MCPAuthStateDir lib", "must be an absolute path"),
    ("MCPAuthStateDir /elsewhere", "leave one of the two lines out"),
    ("MCPAuthSpoolDir spool", "must be an absolute path"),
    ("MCPAuthSpoolDir /x max=1", "write max=SIZE"),
    ("MCPAuthSpoolDir /x 1g", "write max=SIZE"),
    ("MCPAuthSpoolDir", "needs a directory"),
    ("MCPAuthSpoolDir /x max=1g durability=fsync", "write max=SIZE with at least 2m, as in max=1g, durability=process or durability=sync"),
    ("MCPAuthSpoolDir /x durability", "durability=process or durability=sync"),
    ("MCPAuthSpoolDir /x tmpfs=yes max=1g", "tmpfs=refuse or tmpfs=allow"),
    ("MCPAuthSpoolDir /x /y", "\"/y\" is not understood"),
    ("MCPAuthTokenCache 1", "must be a number from 64"),
    ("MCPAuthLimitTable 0", "must be a number from 1024"),
    ("MCPAuthSessionTable 0", "must be a number from 1024"),
    ("MCPAuthSessionTable 1048577", "to 1048576"),
    ("MCPAuthSessionTimeout never", "must be a duration from 1s to 30d"),
    ("MCPAuthSessionTimeout 999ms", "must be a duration from 1s to 30d"),
    ("MCPAuthSessionTimeout 31d", "must be a duration from 1s to 30d"),
    ("MCPAuthIssuer http://as.example.com", "must be an https URL"),
]


def refuses(httpd, line_text, *words):
    """configtest fails, and one message has the file, the line of this text, and the words."""
    status, said = httpd.configtest()
    assert status != 0, said
    number = httpd.line_of(line_text)
    assert f"{httpd.conf_path}:{number}:" in said or re.search(rf"line {number} of {re.escape(str(httpd.conf_path))}:", said), said
    for word in words:
        assert any(w in said for w in word.split("|")), said
    return said


@pytest.mark.parametrize("line,how,words", IN_LOCATION)
def test_refuses_in_a_location(world, line, how, words):
    httpd = world.httpd(start=False, mode="production", locations={"/mcp": ("" if how == "alone" else GOOD) + line})
    text = [part for part in line.splitlines() if not part.startswith("<")][0]
    status, said = httpd.configtest()
    lines = [n for n, got in enumerate(httpd.conf_path.read_text().splitlines(), 1) if got.strip() == text]
    assert status != 0, said
    assert re.search(rf"line {lines[-1]} of {re.escape(str(httpd.conf_path))}:", said), said
    assert words in said, said


@pytest.mark.parametrize("line,words", IN_SERVER)
def test_refuses_in_a_server(world, line, words):
    httpd = world.httpd(start=False, mode="production" if "MCPAuthMode" not in line else None, config=line)
    text = [part for part in line.splitlines() if not part.startswith("<")][0]
    lines = [n for n, got in enumerate(httpd.conf_path.read_text().splitlines(), 1) if got.strip() == text]
    status, said = httpd.configtest()
    assert status != 0, said
    assert re.search(rf"line {lines[-1]} of {re.escape(str(httpd.conf_path))}:", said), said
    assert any(w in said for w in words.split("|")), said


def test_every_directive_of_the_table_is_tested():
    table = (paths.SOURCE / "mod_mcp_auth" / "config.c").read_text()
    names = set(re.findall(r'AP_INIT_\w+\("(MCPAuth\w*)"', table))
    tested = {w for row in IN_LOCATION + IN_SERVER for w in re.findall(r"MCPAuth[A-Za-z]*", row[0])}
    assert len(names) > 15 and names <= tested


def test_the_good_configuration_is_taken(world):
    status, said = world.httpd(start=False, mode="production", locations={"/mcp": GOOD}).configtest()
    assert status == 0 and "Syntax OK" in said, said
    assert "MCPA0" not in said


# What only the whole configuration shows: /mcp's lines, the line that is named, words.
@pytest.mark.parametrize("lines,named,words", [
    ("MCPAuth On\nMCPAuthIssuer https://as.example.com", "MCPAuth On", "has no resource; write MCPAuthResource"),
    ("MCPAuth Shadow\nMCPAuthResource https://mcp.example.com/mcp", "MCPAuth Shadow", "trusts no issuer; write MCPAuthIssuer"),
    ("MCPAuthScope mcp:admin", "MCPAuthScope", "is not guarded; write MCPAuth On, Shadow or Off"),
    ("MCPAuth On\nMCPAuthResource http://127.0.0.1/mcp\nMCPAuthIssuer https://as.example.com", "MCPAuthResource", "write the https URL"),
    (GOOD.replace("https://as", "http://127.0.0.1"), "MCPAuthIssuer", "must be an https URL"),
    (GOOD + "MCPAuthIssuer https://two.example.com jwks=http://127.0.0.1/jwks", "MCPAuthIssuer https://two", "jwks= must be an https URL"),
    (GOOD + "MCPAuthIssuer https://two.example.com jwks=file:/nowhere/keys.json", "MCPAuthIssuer https://two", "/nowhere/keys.json: No such file"),
    (GOOD + "MCPAuthIssuer https://two.example.com jwks=file:{scratch}", "MCPAuthIssuer https://two", "is no regular file; name the file itself"),
    (GOOD + "MCPAuthRateLimit subject 1/s\nMCPAuthRateLimit subject 1/s", "MCPAuthRateLimit", "leave one of the two out"),
    (GOOD + "MCPAuthInspect Off\nMCPAuthOperation ping granted", "MCPAuthOperation", "has no effect where requests are not inspected; write MCPAuthInspect Body"),
    (GOOD + "MCPAuthInspect Off\nMCPAuthProtocol 2025-11-25", "MCPAuthProtocol", "has no effect where requests are not inspected"),
    (GOOD + "MCPAuthInspect Off\nMCPAuthMaxBody 1m", "MCPAuthMaxBody", "has no effect where requests are not inspected"),
    (GOOD + "MCPAuthInspect Headers\nMCPAuthMaxBody 1m", "MCPAuthMaxBody", "has no effect where requests are not inspected"),
    (GOOD + "MCPAuthInspect Off\nMCPAuthMaxLength name 128", "MCPAuthMaxLength", "MCPAuthMaxLength name has no effect where requests are not inspected"),
    (GOOD + "MCPAuthInspect Headers\nMCPAuthMaxLength id 128", "MCPAuthMaxLength", "MCPAuthMaxLength id has no effect where requests are not inspected"),
    (GOOD + "MCPAuthInspect Off\nMCPAuthRateLimit tool 1/s", "MCPAuthRateLimit", "has no effect where requests are not inspected"),
    (GOOD + "MCPAuthInspect Headers\nMCPAuthProtocol 2025-11-25 2026-07-28", "MCPAuthInspect", "write MCPAuthInspect Body, or MCPAuthProtocol 2026-07-28 alone"),
])
def test_refuses_what_does_not_fit_together(world, lines, named, words):
    httpd = world.httpd(start=False, mode="production", locations={"/mcp": lines})
    said = refuses(httpd, named, words)
    if "MCPAuthIssuer" not in named:
        assert "vhost localhost: <Location /mcp>: " in said


def test_tells_all_problems_at_once(world):
    httpd = world.httpd(start=False, mode="production", locations={"/one": "MCPAuth On", "/two": "MCPAuth On\nMCPAuthIssuer https://a.example"})
    said = refuses(httpd, "MCPAuth On")
    assert said.count("has no resource") == 2 and said.count("trusts no issuer") == 1


def test_a_circle_of_scopes_is_refused(world):
    httpd = world.httpd(start=False, mode="production", config="MCPAuthScopeImplies mcp:tools.read mcp:admin", locations={"/mcp": GOOD})
    refuses(httpd, "MCPAuthScopeImplies", "would make a circle")


def test_an_issuer_has_the_same_keys_everywhere(world):
    httpd = world.httpd(start=False, mode="production", config="MCPAuthIssuer https://as.example.com jwks=https://as.example.com/a", locations={"/mcp": GOOD})
    status, said = httpd.configtest()
    assert status != 0 and "has other keys at" in said and "write the same jwks= or secret= in both lines" in said, said


@pytest.mark.parametrize("mode,words", [(0o644, "chmod 0600"), (0o640, "chmod 0600"), (0o600, None)])
def test_a_secret_others_can_read_is_refused(world, mode, words):
    secret = world.scratch / "secret"
    secret.write_text("x" * 64 + "\n")
    os.chmod(secret, mode)
    httpd = world.httpd(start=False, mode="production", locations={"/mcp": GOOD + f"MCPAuthIssuer https://hs.example.com secret=file:{secret}"})
    status, said = httpd.configtest()
    if words is None:
        assert status == 0, said
    else:
        refuses(httpd, "MCPAuthIssuer https://hs", words)


def test_a_secret_of_another_user_is_refused(world):
    secret = world.scratch / "secret"
    secret.write_text("x" * 64)
    os.chmod(secret, 0o600)
    os.chown(secret, 33, 33)
    httpd = world.httpd(start=False, mode="production", locations={"/mcp": GOOD + f"MCPAuthIssuer https://hs.example.com secret=file:{secret}"})
    refuses(httpd, "MCPAuthIssuer https://hs", "belongs to another user; chown root")


def test_a_short_secret_is_refused(world):
    secret = world.scratch / "secret"
    secret.write_text("x" * 31)
    os.chmod(secret, 0o600)
    httpd = world.httpd(start=False, mode="production", locations={"/mcp": GOOD + f"MCPAuthIssuer https://hs.example.com secret=file:{secret}"})
    refuses(httpd, "MCPAuthIssuer https://hs", "make one of at least 32 bytes")


@pytest.mark.parametrize("text, words", [
    ("Expires: 2099-01-01T00:00:00Z\n", "has no line \"Contact:"), ("Contact: mailto:x@example.com\n", "has not exactly one line \"Expires:"),
    ("Contact: mailto:x@example.com\nExpires: 2099-01-01T00:00:00Z\nExpires: 2098-01-01T00:00:00Z\n", "has not exactly one line"),
    ("Contact: mailto:x@example.com\nExpires: sometime in the next year\n", "has not exactly one line"), (None, "No such file"), ("Contact: a\0b\n", "is no text in UTF-8"), ("x" * 40000, "is longer than 32768 bytes"),
])
def test_a_bad_security_txt_is_refused(world, text, words):
    path = world.scratch / "security.txt"
    if text is not None:
        path.write_text(text)
    httpd = world.httpd(start=False, mode="production", config=f"MCPAuthSecurityTxt {path}", locations={"/mcp": GOOD})
    refuses(httpd, "MCPAuthSecurityTxt", words)


def test_an_expired_security_txt_is_served_with_a_warning(world):
    path = world.scratch / "security.txt"
    path.write_text("# x\ncontact: mailto:x@example.com\r\nEXPIRES:  2020-01-01T00:00:00Z\r\n")
    status, said = world.httpd(start=False, mode="production", config=f"MCPAuthSecurityTxt {path}", locations={"/mcp": GOOD}).configtest()
    assert status == 0 and "MCPA0132" in said and "expired at 2020-01-01T00:00:00Z; look it over" in said, said


def test_a_key_file_with_a_private_key_is_refused(world):
    keys = world.scratch / "keys.json"
    keys.write_text('{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}]}')
    httpd = world.httpd(start=False, mode="production", locations={"/mcp": GOOD + f"MCPAuthIssuer https://two.example.com jwks=file:{keys}"})
    refuses(httpd, "MCPAuthIssuer https://two", "has no usable set of public keys")


@pytest.mark.parametrize("place,named,change,words", [
    ("state", "MCPAuthStateDir", lambda p: p.rename(p.with_name("gone")), "make it: install -d -o root"),
    ("spool", "MCPAuthSpoolDir", lambda p: p.rename(p.with_name("gone")), "make it: install -d -o www-data"),
    ("state", "MCPAuthStateDir", lambda p: os.chown(p, 33, 33), "so a child could change the policy; chown root"),
    ("state", "MCPAuthStateDir", lambda p: os.chmod(p, 0o777), "may be written by everybody; chmod o-w"),
    ("spool", "MCPAuthSpoolDir", lambda p: os.chmod(p, 0o2777), "may be written by everybody; chmod o-w"),
    ("spool", "MCPAuthSpoolDir", lambda p: os.chown(p, 0, 0), "www-data cannot write it; chown www-data"),
])
def test_unsafe_directories_are_refused(world, place, named, change, words):
    httpd = world.httpd(start=False, mode="production", locations={"/mcp": GOOD})
    change(getattr(world.dirs, place))
    refuses(httpd, named, words)


def test_configtest_writes_nothing(world):
    httpd = world.httpd(start=False, mode="production", locations={"/mcp": GOOD})
    before = sorted(p.name for p in world.dirs.state.iterdir()), sorted(p.name for p in world.dirs.spool.iterdir())
    assert httpd.configtest()[0] == 0
    assert (sorted(p.name for p in world.dirs.state.iterdir()), sorted(p.name for p in world.dirs.spool.iterdir())) == before


def test_the_start_writes_the_policy_and_no_secret(world):
    secret = world.scratch / "secret"
    secret.write_text("canary-secret-" + "x" * 64)
    os.chmod(secret, 0o600)
    world.canaries.remember_text("canary-secret-")
    world.httpd(mode="production", locations={"/mcp": GOOD + f"MCPAuthIssuer https://hs.example.com secret=file:{secret}\nMCPAuthScope mcp:admin"})
    policy = world.dirs.state / "policy.json"
    text = policy.read_text()
    info = policy.stat()
    assert (info.st_uid, info.st_mode & 0o777) == (0, 0o644)
    assert '"https://as.example.com"' in text and '"mcp:admin"' in text and "canary" not in text and str(secret) not in text
    assert [p.name for p in world.dirs.state.iterdir() if p.name.startswith(".")] == []


def test_an_unguarded_server_needs_no_directories(world):
    for place in (world.dirs.state, world.dirs.spool):
        place.rename(place.with_name(place.name + "-gone"))
    httpd = world.httpd()
    assert httpd.get("/1k.txt").status == 200
    assert httpd.get("/.well-known/oauth-protected-resource").status == 404 and "json" not in httpd.get("/.well-known/oauth-protected-resource").header("Content-Type")


def test_virtual_hosts_have_issuers_and_modes_of_their_own(world):
    inside = """
<VirtualHost 127.0.0.1:{port}>
ServerName dev.example.com
MCPAuthMode development
MCPAuthIssuer http://127.0.0.1:1
<Location /mcp>
MCPAuth On
MCPAuthResource http://127.0.0.1:{port}/mcp
</Location>
</VirtualHost>
<VirtualHost 127.0.0.1:{port}>
ServerName prod.example.com
<Location /mcp>
MCPAuth On
MCPAuthResource http://127.0.0.1:{port}/mcp
</Location>
</VirtualHost>
"""
    httpd = world.httpd(start=False, mode="production", config=inside)
    status, said = httpd.configtest()
    assert status != 0
    assert "vhost prod.example.com: <Location /mcp>: trusts no issuer" in said and "vhost prod.example.com: <Location /mcp>: MCPAuthResource" in said
    assert "vhost dev.example.com: <Location" not in said


def test_warns_of_neighbours_that_leak(world):
    httpd = world.httpd(start=False, mode="production", modules=["cache", "cache_disk", "log_forensic"], locations={"/mcp": GOOD},
                        config="CacheRoot {scratch}\nCacheEnable disk /\nForensicLog {folder}/forensic.txt")
    status, said = httpd.configtest()
    assert status == 0 and "CacheQuickHandler off" in said and "ForensicLog" in said, said


def test_warns_of_require_in_shadow(world):
    httpd = world.httpd(start=False, mode="production", locations={"/mcp": GOOD.replace("On", "Shadow") + "Require mcp-scope mcp:admin"})
    status, said = httpd.configtest()
    assert status == 0 and "write MCPAuthScope instead until MCPAuth is On" in said, said


def test_presets_are_taken(world):
    issuers = "\n".join(f"MCPAuthIssuer {url} preset={name}" for name, url in {
        "auth0": "https://t.eu.auth0.com/", "okta": "https://t.okta.com/oauth2/default", "keycloak": "https://kc.example.com/realms/r",
        "entra": "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0", "cognito": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x",
        "google": "https://accounts.google.com", "supabase": "https://x.supabase.co/auth/v1"}.items())
    status, said = world.httpd(start=False, mode="production", locations={"/mcp": GOOD + issuers}).configtest()
    assert status == 0, said


def test_fixed_keys_serve_without_a_daemon(world):
    issuer = world.issuer()
    httpd = world.httpd(locations={"/mcp": f"MCPAuth On\nMCPAuthResource {{httpd}}/mcp\nMCPAuthIssuer {issuer.url} jwks=file:{key_file(world, issuer)}"})
    (httpd.document_root / "mcp").write_text("in\n")
    assert httpd.get("/mcp", token=issuer.mint(aud=httpd.url + "/mcp")).text == "in\n"
