# SPDX-License-Identifier: Apache-2.0
"""The local issuer: the daemon makes keys for itself alone, publishes their public parts, turns them in time, and survives what machines do to it."""
import json
import os
import shutil
import stat

import pytest

from harness import wait_until

pytestmark = pytest.mark.sanitize
ISSUER = "https://auth.example.com"
JWKS = "/.well-known/jwks.json"
DAY = 24 * 3600


def keys(admind):
    answer = admind.get(JWKS)
    assert answer.status == 200, answer.text
    return answer.json()["keys"]


def folder(admind):
    return admind.dirs.keys / "issuer"


def stages(admind):
    """{stage: [kid]}, in the file's order, by what the daemon publishes for it."""
    lines = [line.split() for line in (folder(admind) / "issuer.keys").read_text().splitlines()[1:-1]]
    return [stage for stage, *_ in lines]


@pytest.mark.parametrize("alg, kty, members", [("RS256", "RSA", {"n", "e"}), ("ES256", "EC", {"crv", "x", "y"}), ("EdDSA", "OKP", {"crv", "x"})])
def test_public_parts_are_published_and_private_ones_are_the_daemons(world, alg, kty, members):
    admind = world.admind(f"Issuer {ISSUER} alg={alg}\nAdminTokenFile {secret(world)}\n")
    answer = admind.get(JWKS)  # without the admin token
    assert answer.status == 200 and answer.header("Content-Type") == "application/json"
    assert answer.all("Cache-Control") == ["public, max-age=3600"] and answer.all("Access-Control-Allow-Origin") == ["*"]
    assert len(answer.json()["keys"]) == 2
    for key in answer.json()["keys"]:
        assert set(key) == {"kty", "kid", "use", "alg"} | members and key["kty"] == kty and key["alg"] == alg and key["use"] == "sig"
    for path, mode in ((folder(admind), 0o700), (folder(admind) / "issuer.keys", 0o600)):
        st = path.stat()
        assert stat.S_IMODE(st.st_mode) == mode and st.st_uid == admind.dirs.keys.stat().st_uid
    assert admind.get("/healthz").all("Cache-Control") == ["no-store"] and admind.get("/healthz").all("Access-Control-Allow-Origin") == []


def secret(world):
    path = world.scratch / "admin.token"
    path.write_text("0123456789abcdef0123456789abcdef\n")
    os.chown(path, world.dirs.keys.stat().st_uid, -1)
    os.chmod(path, 0o600)
    return path


def test_without_a_line_there_is_no_issuer(world):
    admind = world.admind()
    assert admind.get(JWKS).status == 404 and not folder(admind).exists()
    assert "mcpauth_issuer_key_age_seconds{" not in admind.metrics_text()


def test_keys_outlive_restarts_reloads_and_kills(world):
    admind = world.admind(f"Issuer {ISSUER} alg=ES256\n")
    before = keys(admind)
    admind.reload()
    wait_until(lambda: admind.log().count("MCPA2000") == 2, 15, admind.log)
    assert keys(admind) == before
    admind.kill()
    (folder(admind) / "issuer.keys.tmp").write_text("half of a key\n")  # as if it had been killed while it wrote
    admind.start()
    assert keys(admind) == before and not (folder(admind) / "issuer.keys.tmp").exists()
    assert admind.log().count("MCPA2803") == 1


def test_a_wish_turns_the_keys_at_once_and_again_only_when_the_next_is_known(world):
    admind = world.admind(f"Issuer {ISSUER} alg=ES256\n")
    following, current = (key["kid"] for key in keys(admind))
    (folder(admind) / "rotate").touch()
    wait_until(lambda: not (folder(admind) / "rotate").exists(), 15, admind.log)
    wait_until(lambda: len(keys(admind)) == 3, 15, admind.log)
    last = [key["kid"] for key in keys(admind)]
    assert last[1:] == [following, current] and last[0] not in (following, current)
    assert sorted(stages(admind)) == ["current", "next", "old"]
    (folder(admind) / "rotate").touch()  # the next key is two hours too young
    checked = admind.log().count("MCPA2805")
    admind.get("/metrics")
    before = admind.metric("mcpauth_issuer_key_age_seconds", issuer=ISSUER)
    wait_until(lambda: admind.metric("mcpauth_issuer_key_age_seconds", issuer=ISSUER) >= before + 3, 15, admind.log)  # ticks went by
    assert [key["kid"] for key in keys(admind)] == last and admind.log().count("MCPA2805") == checked == 1


def test_a_wish_that_was_granted_before_a_kill_is_not_granted_twice(world):
    admind = world.admind(f"Issuer {ISSUER} alg=ES256\n")
    before = keys(admind)
    admind.stop()
    (folder(admind) / "rotate").write_text(before[1]["kid"])  # as if that had been the next key, and had turned, when the daemon was killed
    admind.start()
    wait_until(lambda: not (folder(admind) / "rotate").exists(), 15, admind.log)
    ticks(admind)
    assert keys(admind) == before and "MCPA2805" not in admind.log()


def test_time_turns_the_keys_and_takes_old_ones_away(world, clock):
    env, step = clock
    admind = world.admind(f"Issuer {ISSUER} alg=ES256 rotate=7d overlap=24h\n", env=env)
    following, current = (key["kid"] for key in keys(admind))
    step(8 * DAY)  # a clock that jumps under a running daemon turns nothing
    before = admind.metric("mcpauth_issuer_key_age_seconds", issuer=ISSUER)
    wait_until(lambda: admind.metric("mcpauth_issuer_key_age_seconds", issuer=ISSUER) >= before + 2, 15, admind.log)
    assert [key["kid"] for key in keys(admind)] == [following, current]
    admind.reload()  # nor does it at the next look into the file
    wait_until(lambda: admind.log().count("MCPA2000") == 2, 15, admind.log)
    assert [key["kid"] for key in keys(admind)] == [following, current]
    admind.stop()
    step(16 * DAY)
    admind.start()  # time that went by while it was down counts
    wait_until(lambda: "MCPA2805" in admind.log(), 15, admind.log)
    wait_until(lambda: len(keys(admind)) == 3, 15, admind.log)
    assert [key["kid"] for key in keys(admind)][1:] == [following, current]
    admind.stop()
    step(17 * DAY + 600)
    admind.start()
    wait_until(lambda: len(keys(admind)) == 2, 15, admind.log)
    assert [key["kid"] for key in keys(admind)][1] == following
    admind.stop()
    step(-400 * DAY)  # set back for good: the key's age begins anew, nothing is lost
    admind.start()
    assert [key["kid"] for key in keys(admind)][1] == following
    assert admind.metric("mcpauth_issuer_key_age_seconds", issuer=ISSUER) < DAY


def test_a_rotation_that_fails_is_told_and_made_up_for(world, clock):
    env, step = clock
    admind = world.admind(f"Issuer {ISSUER} alg=ES256\nAlert rotation_due window=1s\n", env=env)
    before = keys(admind)
    admind.stop()
    step(8 * DAY)
    (folder(admind) / "issuer.keys.tmp").mkdir()  # in the way of every write
    admind.start()
    wait_until(lambda: "MCPA2801" in admind.log() and admind.firing("rotation_due"), 20, admind.log)
    assert keys(admind) == before  # what was good stays good
    admind.stop()
    (folder(admind) / "issuer.keys.tmp").rmdir()
    admind.start()
    wait_until(lambda: not admind.firing("rotation_due") and len(keys(admind)) == 3, 20, admind.log)


@pytest.mark.parametrize("damage, words", [("mode", "may be used by others"), ("bytes", "cannot be used")])
def test_keys_that_cannot_be_trusted_are_not_used(world, damage, words):
    admind = world.admind(f"Issuer {ISSUER} alg=ES256\nAlert rotation_due window=1s\n")
    keys(admind)
    admind.stop()
    path = folder(admind) / "issuer.keys"
    if damage == "mode":
        os.chmod(path, 0o640)
    else:
        path.write_bytes(path.read_bytes().replace(b"current", b"currant"))
    admind.start()  # audit and metrics go on
    answer = admind.get(JWKS)
    assert answer.status == 503 and answer.json()["error"] == "temporarily_unavailable" and answer.all("Cache-Control") == ["no-store"]
    assert words in admind.log() and admind.log().count("MCPA2801") == 1


def ticks(admind):
    before = admind.metric("mcpauth_issuer_key_age_seconds", issuer=ISSUER)
    wait_until(lambda: admind.metric("mcpauth_issuer_key_age_seconds", issuer=ISSUER) >= before + 3, 15, admind.log)


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_somebody_changed_is_told_and_not_overwritten(world, how):
    admind = world.admind(f"Issuer {ISSUER} alg=ES256\n")
    following, current = (key["kid"] for key in keys(admind))
    path, away = folder(admind) / "issuer.keys", folder(admind) / "away.keys"
    path.rename(away)
    if how == "replaced":
        shutil.copy2(away, path)
        os.chown(path, away.stat().st_uid, away.stat().st_gid)
    wait_until(lambda: "MCPA2801" in admind.log(), 15, admind.log)
    (folder(admind) / "rotate").touch()
    before = path.stat().st_ino if how == "replaced" else None
    ticks(admind)
    assert [key["kid"] for key in keys(admind)] == [following, current] and admind.log().count("MCPA2801") == 1
    assert (path.stat().st_ino if path.exists() else None) == before, "nothing was written"
    if how == "replaced":
        admind.reload()  # takes it
    else:
        away.rename(path)  # as it was
    wait_until(lambda: len(keys(admind)) == 3, 15, admind.log)
    assert [key["kid"] for key in keys(admind)][1:] == [following, current]


def test_a_directory_that_others_may_enter_stops_the_start(world):
    admind = world.admind(f"Issuer {ISSUER}\n", start=False)
    assert admind.check_config() == (0, "OK\n")
    folder(admind).mkdir()
    status, output = admind.check_config()
    assert status == 1 and "IssuerKeyDir" in output and "belongs to uid 0; give it to the daemon's user" in output
    os.chown(folder(admind), admind.dirs.keys.stat().st_uid, -1)
    os.chmod(folder(admind), 0o750)
    status, output = admind.check_config()
    assert status == 1 and "is open to others (mode 0750); close it: chmod 0700" in output
    os.chmod(folder(admind), 0o700)
    assert admind.check_config() == (0, "OK\n")
    admind.config = f"Issuer {ISSUER}\nIssuerKeyDir /nonexistent/keys\n"
    admind.write_config()
    status, output = admind.check_config()
    assert status == 1 and f"{admind.conf_path}:" in output and "make it: install -d -m 0700" in output


def test_no_private_part_is_anywhere_else(world):
    admind = world.admind(f"Issuer {ISSUER} alg=ES256\nLogLevel debug\n")
    shown = keys(admind)
    lines = (folder(admind) / "issuer.keys").read_text().splitlines()[1:-1]
    said = admind.log() + "".join(admind.get(path).text for path in ("/keys", "/status", "/metrics", "/alerts", JWKS)) + json.dumps(shown)
    for line in lines:
        assert line.split()[3] not in said and line.split()[3][-40:] not in said
