# SPDX-License-Identifier: Apache-2.0
"""The daemon's socket: who may connect, what it may say, and that nothing said wrongly hurts anybody else."""
import os
import pwd
import struct

import pytest

from daemon_child import BYE, KID_DONE, RECORDS, RESUME, Child, envelope, frame, gauges, hello, kid, record, records, request
from harness.process import wait_until


@pytest.fixture(scope="module")
def admind(module_world):
    return module_world.admind("LogLevel debug")


@pytest.fixture
def child(admind):
    child = Child(admind.dirs.socket)
    yield child
    child.close()


def admitted(admind):
    """Whether there is room for another child."""
    child = Child(admind.dirs.socket)
    try:
        return child.hello() == 0
    except (BrokenPipeError, ConnectionResetError):
        return False
    finally:
        child.close()


def alive(admind):
    """An honest child is served as ever."""
    honest = Child(admind.dirs.socket)
    assert honest.hello() == 0
    honest.records(1, [request()])
    assert honest.acked(1) == 1
    honest.close()
    return True


def test_the_peer_user_is_let_in_and_acknowledged(admind, child):
    assert child.hello() == 0
    child.records(1, [request(sub="alice"), request(sub="bob")])
    assert child.acked(2) == 2
    lines = admind.journal_lines(instance=child.instance.hex())
    assert [(line["seq"], line["sub"]) for line in lines] == [(1, "alice"), (2, "bob")]


@pytest.mark.parametrize("user", ["root", "nobody", "daemon"])
def test_anybody_else_is_turned_away(admind, user):
    try:
        stranger = Child(admind.dirs.socket, user=user)
    except PermissionError:
        return  # the socket's mode keeps it out even earlier
    try:
        assert stranger.hello() is None
    except BrokenPipeError:
        pass
    assert alive(admind)


def test_the_socket_is_not_for_everybody_where_the_directory_gives_it_a_group(admind):
    st = os.stat(admind.dirs.socket)
    assert st.st_mode & 0o777 == 0o660


def test_where_no_group_can_be_given_the_check_of_the_uid_guards(world):
    os.chmod(world.dirs.run, 0o755)
    os.chown(world.dirs.run, -1, pwd.getpwnam("daemon").pw_gid)
    admind = world.admind()
    assert os.stat(admind.dirs.socket).st_mode & 0o777 == 0o666
    assert alive(admind)
    for user in ("nobody", "root"):
        stranger = Child(admind.dirs.socket, user=user)
        try:
            assert stranger.hello() is None
        except BrokenPipeError:
            pass
    assert admind.get("/status").json()["connections_refused"] == 2


def test_a_stale_socket_is_replaced_and_a_foreign_file_is_not(world):
    admind = world.admind()
    admind.kill()
    assert admind.dirs.socket.exists()
    admind.start()
    assert alive(admind)
    admind.kill()
    admind.dirs.socket.unlink()
    admind.dirs.socket.write_text("precious")
    with pytest.raises(AssertionError, match="exists and is no socket"):
        admind.start(timeout=5)
    assert admind.dirs.socket.read_text() == "precious"


GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zeroes": bytes(64),
    "ones": b"\xff" * 64,
    "a giant length": struct.pack("<IBBH", 0xFFFFFFFF, 1, 1, 0),
    "one byte too long": struct.pack("<IBBH", 65536 - 3, 2, 1, 0),
    "a length below the header": struct.pack("<IBBH", 3, 5, 1, 0),
    "a later version": frame(1, os.urandom(16) + struct.pack("<IQQ", 1, 1, 0), version=2),
    "an unknown type": frame(200),
    "a daemon's frame": frame(RESUME, os.urandom(16) + struct.pack("<Q", 0)),
    "records first": records(b"x" * 16, 1, [record()]),
    "gauges first": gauges(active=1),
    "a question first": kid(1, "https://issuer.example/", "k"),
    "a short hello": frame(1, b"x" * 10),
    "a hello without a name": hello(bytes(16)),
    "a hello from the end of numbers": hello(os.urandom(16), next_seq=2**64 - 1),
    "a hello from zero": hello(os.urandom(16), next_seq=0),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_garbage_is_hung_up_on(admind, child, what):
    child.send(GARBAGE[what])
    assert child.closed(timeout=2)  # not when HELLO is late, but at once
    assert alive(admind)


def after_hello():
    instance = b"i" * 16
    one = envelope(instance, 1, request())
    broken = bytearray(one)
    broken[-1] ^= 1
    return {
        "a second hello": hello(instance),
        "a record changed on the way": frame(RECORDS, struct.pack("<I", 1) + bytes(broken)),
        "a record of another instance": frame(RECORDS, struct.pack("<I", 1) + envelope(b"j" * 16, 1, request())),
        "more records than said": frame(RECORDS, struct.pack("<I", 1) + one + envelope(instance, 2, request())),
        "fewer records than said": frame(RECORDS, struct.pack("<I", 2) + one),
        "a count of millions": frame(RECORDS, struct.pack("<I", 2**32 - 1) + one),
        "a hole": records(instance, 7, [request()]),
        "a jump to the end of numbers": records(instance, 2**64 - 1, [request()]),
        "too many gauges": frame(3, struct.pack("<I", 1000) + bytes(10000)),
        "a key question without an end": frame(4, struct.pack("<QH", 1, 60000) + b"x"),
    }


@pytest.mark.parametrize("what", after_hello())
def test_breaking_the_grammar_later_is_hung_up_on(admind, what):
    child = Child(admind.dirs.socket, instance=b"i" * 16)
    before = child.hello()
    child.send(after_hello()[what])
    assert child.closed()
    assert alive(admind)
    again = Child(admind.dirs.socket, instance=b"i" * 16)
    assert again.hello() in (before, before + 1)  # at most the good record before the bad one was taken
    again.close()


def test_half_a_frame_waits_and_hurts_nobody(admind, child):
    data = hello(child.instance) + records(child.instance, 1, [request()])
    for byte in data[:-1]:
        child.send(bytes([byte]))
    assert alive(admind)
    child.send(data[-1:])
    assert child.acked(1) == 1


def test_who_does_not_say_hello_in_time_is_hung_up_on(admind, child):
    assert child.closed(timeout=9)
    assert alive(admind)


def test_a_flood_of_bad_peers_does_not_flood_the_log(admind):
    before = admind.log().count("MCPA2401")
    for _ in range(100):
        bad = Child(admind.dirs.socket)
        bad.send(b"\xff" * 16)
        assert bad.closed()
    assert admind.log().count("MCPA2401") <= before + 20  # ten a minute, and a minute may end meanwhile
    assert admind.get("/status").json()["connections_refused"] >= 100


def test_a_second_connection_of_a_living_instance_is_refused(admind, child):
    assert child.hello() == 0
    impostor = Child(admind.dirs.socket, instance=child.instance)
    assert impostor.hello() is None
    child.records(1, [request()])
    assert child.acked(1) == 1


def test_a_child_that_lost_its_connection_comes_back_at_once(admind, child):
    assert child.hello() == 0
    child.records(1, [request()])
    child.acked(1)
    child.close()
    again = Child(admind.dirs.socket, instance=child.instance)
    assert again.hello() == 1
    again.close()


def test_what_was_acknowledged_is_not_taken_twice(admind, child):
    assert child.hello() == 0
    child.records(1, [request(sub="once") for _ in range(3)])
    child.acked(3)
    before = admind.metric("mcpauth_audit_records_total")
    child.records(1, [request(sub="again") for _ in range(3)])
    child.records(4, [request(sub="new")])
    child.acked(4)
    assert [line["sub"] for line in admind.journal_lines(instance=child.instance.hex())] == ["once"] * 3 + ["new"]
    assert admind.metric("mcpauth_audit_records_total") == before + 1


def test_what_a_child_has_lost_is_journalled_as_a_gap(admind, child):
    assert child.hello() == 0
    child.records(1, [request(), request()])
    child.acked(2)
    child.close()
    lost = admind.metric("mcpauth_audit_lost_total")
    again = Child(admind.dirs.socket, instance=child.instance)
    assert again.hello(next_seq=11) == 2
    again.records(11, [request(sub="after")])
    assert again.acked(11) == 11
    again.close()
    lines = admind.journal_lines(instance=child.instance.hex())
    assert [(line["seq"], line.get("event"), line.get("lost")) for line in lines] == [(1, None, None), (2, None, None), (10, "gap", 8), (11, None, None)]
    assert admind.metric("mcpauth_audit_lost_total") == lost + 8


def test_an_instance_never_heard_of_may_start_late(admind, child):
    assert child.hello(next_seq=501) == 500
    child.records(501, [request()])
    assert child.acked(501) == 501
    assert "event" not in admind.journal_lines(instance=child.instance.hex())[0]


def test_a_record_nobody_can_read_does_not_block_what_follows(admind, child):
    assert child.hello() == 0
    child.records(1, [request(), b"\x63broken", request()])
    assert child.acked(3) == 3
    lines = admind.journal_lines(instance=child.instance.hex())
    assert [line.get("event") for line in lines] == [None, "corrupt", None]


def test_nothing_a_client_says_makes_a_second_line(admind, child):
    assert child.hello() == 0
    child.records(1, [request(user_agent=b'x"\n{"seq":9}\r\n\xff\xe2\x80\xa8', sub="\x00\x1b[2J")])
    child.acked(1)
    lines = admind.journal_lines(instance=child.instance.hex())
    assert len(lines) == 1 and lines[0]["user_agent"].startswith('x"\n{"seq":9}')


def test_gauges_are_summed_over_children(admind):
    wait_until(lambda: admind.metric("mcpauth_links") == 0, 5, "the links of other tests")
    children = [Child(admind.dirs.socket) for _ in range(2)]
    for n, one in enumerate(children, 1):
        assert one.hello() == 0
        one.send(gauges(active=n, spool=100 * n, entries=10 * n, capacity=64))
    wait_until(lambda: admind.metric("mcpauth_active_requests") == 3, 5, lambda: admind.metrics_text())
    assert admind.metric("mcpauth_links") == 2
    assert admind.metric("mcpauth_limit_table_entries") == 20
    assert admind.metric("mcpauth_limit_table_capacity") == 64
    assert admind.metric("mcpauth_audit_backlog_bytes") >= 300
    for one in children:
        one.close()
    wait_until(lambda: admind.metric("mcpauth_links") == 0, 5, "the links to end")
    assert admind.ready()[1]["link"] == "none"


def test_a_question_for_an_unknown_issuer_is_answered(child):
    assert child.hello() == 0
    child.send(kid(77, "https://nobody.example/", "key-1"))
    ask, _, found = struct.unpack("<QQB", child.read(KID_DONE)[1])
    assert (ask, found) == (77, 0)


def test_thousands_of_questions_are_all_answered(child):
    assert child.hello() == 0
    for start in range(0, 2000, 100):
        child.send(b"".join(kid(ask, "https://nobody.example/", f"key-{ask}") for ask in range(start, start + 100)))
        assert {struct.unpack_from("<Q", child.read(KID_DONE)[1])[0] for _ in range(100)} == set(range(start, start + 100))


def test_a_child_that_does_not_read_is_hung_up_on(admind, child):
    assert child.hello() == 0
    with pytest.raises((BrokenPipeError, ConnectionResetError, TimeoutError)):
        child.socket.settimeout(10)
        for ask in range(10**6):
            child.send(kid(ask, "https://nobody.example/", "k"))
    assert alive(admind)


def test_a_thousand_connections_leave_room_for_http(admind):
    crowd = []
    try:
        for _ in range(1100):
            crowd.append(Child(admind.dirs.socket))
        assert admind.get("/healthz").status == 200
    finally:
        for one in crowd:
            one.close()
    wait_until(lambda: admitted(admind), 10, "the daemon has seen that the crowd is gone")
    assert alive(admind)


def test_bye_is_a_clean_end(admind, child):
    assert child.hello() == 0
    before = admind.get("/status").json()["connections_refused"]
    child.send(frame(BYE))
    assert child.closed()
    assert admind.get("/status").json()["connections_refused"] == before


def test_the_daemon_says_bye(world):
    admind = world.admind()
    child = Child(admind.dirs.socket)
    assert child.hello() == 0
    child.records(1, [request()])
    child.acked(1)
    assert admind.stop() == 0
    assert child.read(BYE) is not None
    assert not admind.dirs.socket.exists()
