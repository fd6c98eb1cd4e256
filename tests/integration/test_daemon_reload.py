# SPDX-License-Identifier: Apache-2.0
"""Whoever asks the daemon while it reads its configuration again gets an answer: a scrape, a readiness probe, mcpauthctl."""
import contextlib
import os
import socket
import threading
import time

import pytest
from harness import client
from harness.process import socket_answers, wait_until

RELOADS = 20


def is_through(admind, count):
    """That many reloads have begun and ended."""
    return admind.log().count("MCPA2000") == count + 1


@pytest.fixture(params=["tcp", "unix"])
def door(request, world):
    """(daemon, how to connect to it)."""
    if request.param == "tcp":
        admind = world.admind()
        return admind, lambda: socket.create_connection(("127.0.0.1", admind.port), timeout=20)
    path = world.dirs.run / "http.sock"
    admind = world.admind(f"Listen unix:{path}", start=False)
    admind.start_unasked()

    def connect():
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(20)
        sock.connect(str(path))
        return sock

    wait_until(lambda: socket_answers(path), 15, admind.log)
    return admind, connect


def ask(connect, pause=0.0):
    """The status of one answer on a connection of its own; pause: between the halves of the request."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connect() as sock:
        sock.sendall(request[:20])
        time.sleep(pause)
        sock.sendall(request[20:])
        data = b""
        while True:
            more = sock.recv(65536)
            if not more:
                return client.parse_answer(data).status
            data += more


def test_nobody_who_asks_meanwhile_is_refused(door):
    admind, connect = door
    over = threading.Event()
    answers, failures = [0] * 4, []

    def keep_asking(mine):
        while not over.is_set():
            try:
                assert ask(connect, pause=0.02 if mine % 2 else 0.0) == 200
                answers[mine] += 1
            except (OSError, ValueError, AssertionError) as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=keep_asking, args=(mine,)) for mine in range(len(answers))]
    for thread in threads:
        thread.start()
    try:
        for done in range(RELOADS):
            admind.reload()
            wait_until(lambda done=done: is_through(admind, done + 1), 30, admind.log)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failures == [] and min(answers) > 0


def test_a_connection_that_says_nothing_does_not_keep_it(door):
    admind, connect = door
    with connect() as silent:
        silent.sendall(b"GET /healthz HTT")
        admind.reload()
        wait_until(lambda: is_through(admind, 1), 30, admind.log)
        with contextlib.suppress(ConnectionResetError):  # ended with what it had said unread
            assert silent.recv(1) == b""
    assert ask(connect) == 200


@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_a_unix_socket_whose_name_is_gone_is_made_again(world, what):
    path = world.dirs.run / "http.sock"
    admind = world.admind(f"Listen unix:{path}", start=False)
    admind.start_unasked()
    wait_until(lambda: socket_answers(path), 15, admind.log)
    os.unlink(path)
    if what == "replaced":
        path.write_text("somebody else's")
    admind.reload()
    if what == "replaced":  # what is no socket is left alone, and the old configuration cannot start either
        wait_until(lambda: not admind.process.alive, 15, admind.log)
        assert "exists and is no socket; remove it" in admind.log() and path.read_text() == "somebody else's"
        return
    wait_until(lambda: is_through(admind, 1) and path.is_socket(), 15, admind.log)
    admind.stop()
    assert not path.exists(), "it is taken away at the end"


def move(admind, config):
    """A reload with these lines in the configuration; what was logged of it."""
    before = admind.log()
    admind.config = config
    admind.write_config()
    admind.reload()
    wait_until(lambda: admind.log().count("MCPA2000") > before.count("MCPA2000"), 30, admind.log)
    return admind.log()[len(before):]


def test_another_spelling_of_the_same_address_is_taken(world):
    path = world.dirs.run / "http.sock"
    admind = world.admind()
    for listen in [f"127.0.0.1:{admind.port}", f"[::1]:{admind.port}", f"[0:0:0:0:0:0:0:1]:{admind.port}", f"unix:{path}", f"unix:{path.parent}/./{path.name}"]:
        said = move(admind, f"Listen {listen}")
        assert "MCPA2001" not in said and f"and {listen}\n" in said
    assert path.is_socket()


def test_socket_and_listen_may_change_places(world):
    path = world.dirs.run / "http.sock"
    admind = world.admind()
    assert "MCPA2001" not in move(admind, f"Listen unix:{path}")
    said = move(admind, f"Socket {path}\nListen unix:{world.dirs.socket}")
    assert "MCPA2001" not in said and f"serves {path} and unix:{world.dirs.socket}\n" in said
