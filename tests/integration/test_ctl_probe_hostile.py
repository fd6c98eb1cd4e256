# SPDX-License-Identifier: Apache-2.0
"""mcpauthctl probe: no server can do more to it than fail, and what it shows and takes."""
import os
import pty
import socket
import struct
import subprocess

import pytest

from harness.process import free_port
from probe_parts import BAD, ENV, GOOD, UNREACHABLE, USAGE, argv, body, failed, header, probe, run, said, token_files
from resource_server import PAGE, ResourceServer, Unfriendly, make_token

pytestmark = pytest.mark.sanitize

# -- TLS -----------------------------------------------------------------------------------------------------------------------------------


def test_https_with_a_certificate_that_is_trusted(module_world, tmp_path):
    with ResourceServer(tls=module_world.tls) as server:
        done = probe(server, tmp_path, "--origin", PAGE, "--ca", module_world.tls.certificate)
    assert done.returncode == GOOD and failed(said(done)) == set(), done.stdout
    with ResourceServer(tls=module_world.tls, wrong={"no token": header("Strict-Transport-Security")}) as server:
        assert failed(said(probe(server, tmp_path, "--ca", module_world.tls.certificate))) == {"security-headers"}


def test_certificate_nobody_vouches_for_ends_it_before_a_token_is_sent(module_world, tmp_path):
    with ResourceServer(tls=module_world.tls) as server:
        done = probe(server, tmp_path)
        assert done.returncode == UNREACHABLE and b"certificate" in done.stderr and done.stdout == b"" and server.kinds == []


# -- what is shown ---------------------------------------------------------------------------------------------------------------------------


def on_terminal(*arguments, env=None):
    master, slave = pty.openpty()
    with subprocess.Popen(argv(*arguments), stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.STDOUT, env={**ENV, **(env or {})}) as process:
        os.close(slave)
        text = b""
        try:
            while data := os.read(master, 65536):
                text += data
        except OSError:  # how a terminal says that nobody writes any more
            pass
        os.close(master)
        process.wait()
    return text.decode()


def test_table_has_colours_on_a_terminal_only(tmp_path):
    with ResourceServer(wrong={"no token": header("WWW-Authenticate"), "metadata": header("Access-Control-Allow-Origin")}) as server:
        text = on_terminal(server.url)
        for colour in ("\033[32mpass", "\033[31mfail", "\033[33mfail"):
            assert colour in text
        assert "\033" not in on_terminal(server.url, env={"NO_COLOR": "1"})
        done = run(server.url)
    assert done.returncode == BAD and b"\033" not in done.stdout
    lines = done.stdout.decode().splitlines()
    row = next(i for i, line in enumerate(lines) if line.split()[2:3] == ["auth-www-authenticate-header"])
    assert lines[row].startswith("fail     must ") and lines[row + 1].strip().startswith("to mend: ")
    assert lines[-1].startswith("bad ") and "1 failed that must pass, 1 failed that should" in lines[-1]


def test_token_may_come_from_standard_input(tmp_path):
    with ResourceServer() as server:
        done = run(server.url, "--json", "--token-file", "-", stdin=(server.tokens["good"] + "\n").encode())
    assert said(done)["mcp-authenticated-call"]["outcome"] == "pass"


# -- servers that are not friendly -------------------------------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n"


def forever(data, head=b""):
    def behave(server, connection):
        connection.sendall(head)
        while not server.over.is_set():
            connection.sendall(data)
    return behave


def drip(server, connection):
    connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
    while not server.over.wait(0.1):
        connection.sendall(b"x")


def say(*texts):
    def behave(server, connection):
        for text in texts:
            connection.sendall(text)
    return behave


UNFRIENDLY = {
    "endless body": (forever(b"x" * 65536, HEAD + b"\r\n"), "body is longer"),
    "endless chunks": (forever(b"1\r\nx\r\n" * 2000, HEAD + b"Transfer-Encoding: chunked\r\n\r\n"), "body is longer"),
    "endless headers": (forever(b"X-More: " + b"x" * 1000 + b"\r\n", HEAD), "headers are longer"),
    "one endless header": (forever(b"x" * 65536, HEAD + b"X-More: "), ""),
    "endless answers before the answer": (forever(b"HTTP/1.1 100 Continue\r\n\r\n"), "headers are longer"),
    "silence": (lambda server, connection: server.over.wait(60), "timed out"),
    "a byte now and then": (drip, "timed out"),
    "no HTTP": (say(bytes(range(256)) * 100), ""),
    "nothing": (say(), ""),
    "less than was announced": (say(HEAD + b"Content-Length: 100\r\n\r\nx"), ""),
    "a length that is none": (say(HEAD + b"Content-Length: -1\r\n\r\nx"), ""),
}


@pytest.mark.parametrize("behave,words", UNFRIENDLY.values(), ids=UNFRIENDLY.keys())
def test_unfriendly_server_ends_it_with_a_clear_word(behave, words):
    with Unfriendly(behave) as server:
        done = run(server.url)
    text = done.stderr.decode()
    assert done.returncode == UNREACHABLE and done.stdout == b"" and text.count("\n") == 1, text
    assert f"cannot reach {server.url}: " in text and words in text and text.isprintable() is False and text.strip().isprintable()


def test_server_that_dies_in_the_middle_is_given_up(tmp_path):
    def once(server, connection):
        if len(server.heads) == 1:
            connection.sendall(HEAD + b"WWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n")

    with Unfriendly(once) as server:
        done = run(server.url, "--json")
        assert len(server.heads) < 10
    assert done.returncode == UNREACHABLE and b"does not answer any more" in done.stderr
    checks = said(done)
    assert "was not asked" in checks["cache-control"]["seen"] and checks["cache-control"]["outcome"] == "fail"


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_connection_that_breaks_while_a_body_is_sent_is_a_failed_check(secure, module_world, tmp_path):
    def cut(server, connection):
        if "Expect:" in server.heads[-1]:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.recv(1000)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        elif "Authorization:" in server.heads[-1]:
            connection.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{"jsonrpc":"2.0","id":1,"result":{}}')
        else:
            connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")

    with Unfriendly(cut, tls=module_world.tls if secure else None) as server:
        checks = said(run(server.url, "--json", "--ca", module_world.tls.certificate, *token_files(tmp_path, {"good": make_token()})))
    assert checks["mcp-body-too-large"]["outcome"] == "fail" and "no whole answer" in checks["mcp-body-too-large"]["seen"]
    assert checks["mcp-media-type"]["outcome"] == "fail", "it went on"


def test_redirects_are_not_followed():
    with Unfriendly(say(HEAD + b"Content-Length: 0\r\n\r\n")) as elsewhere:
        def away(server, connection):
            target = elsewhere.url if len(server.heads) % 2 else server.url
            connection.sendall(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())

        with Unfriendly(away) as server:
            done = run(server.url, "--json")
            assert len(server.heads) < 60
        assert elsewhere.heads == []
    assert done.returncode == BAD and "redirects are not followed" in said(done)["auth-401-response"]["seen"]


def test_control_characters_do_not_reach_the_terminal():
    evil = b"\x1b]0;owned\x07\x1b[2J\xc2\x9b31m\xff\xe2\x80\xae"

    def colourful(server, connection):
        connection.sendall(HEAD + b'WWW-Authenticate: Bearer scope="' + evil + b'", error="' + evil + b'", resource_metadata="' + evil + b'"\r\n'
                           b'Content-Length: 0\r\n\r\n')

    with Unfriendly(colourful) as server:
        for arguments in ([server.url], [server.url, "--json"]):
            done = run(*arguments)
            assert done.returncode == BAD
            text = (done.stdout + done.stderr).decode()
            assert all(c.isprintable() or c == "\n" for c in text), text
            assert "x1b" in text and "xc2" in text


def test_token_that_the_server_repeats_is_not_shown(tmp_path):
    def parrot(server, connection):
        said_token = next((line[len("Authorization: Bearer "):] for line in server.heads[-1].split("\r\n") if line.startswith("Authorization: Bearer ")), "x")
        connection.sendall(HEAD + f'WWW-Authenticate: Bearer error="{said_token}", scope="{said_token}"\r\nContent-Length: 0\r\n\r\n'.encode())

    with Unfriendly(parrot) as server:
        for token in (make_token(), "opaque-" + "z" * 30):
            done = run(server.url, *token_files(tmp_path, {"expired": token}))
            text = (done.stdout + done.stderr).decode()
            assert "the token in it" in text and token not in text and token.split(".")[-1][:16] not in text


def test_stream_that_stays_open_is_read_no_further_than_its_answer(tmp_path):
    def stream(server, connection):
        if "Authorization: Bearer" not in server.heads[-1]:
            connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
            return
        connection.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n')
        server.over.wait(60)

    with Unfriendly(stream) as server:
        checks = said(run(server.url, "--json", *token_files(tmp_path, {"good": make_token()})))
    assert checks["mcp-authenticated-call"]["outcome"] == "pass"


def test_authorization_server_that_is_not_friendly_gets_no_token_and_stops_nothing(tmp_path):
    with Unfriendly(forever(b"x" * 65536, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")) as other, ResourceServer() as server:
        server.issuer = f"http://127.0.0.1:{other.port}/as"
        checks = said(probe(server, tmp_path, "--origin", PAGE))
        assert failed(checks) == {"auth-as-metadata-discovery"}
        assert other.heads and not any("authorization:" in head.lower() for head in other.heads)


def test_metadata_made_to_hurt_a_parser_only_fails(tmp_path):
    for text in (b"[" * 200000, b'{"a":' * 40000, b'{"resource":"' + b"\\ud800" + b'"}', b'{"x":' + b"1" * 200000 + b"}", b"{" + b",".join(b'"%d":1' % i for i in range(20000)) + b"}"):
        with ResourceServer(wrong={"metadata": body(text)}) as server:
            assert failed(said(probe(server, tmp_path))) == {"auth-prm-discovery"}


@pytest.mark.parametrize("wait", ["0", "3600", "99999999999999999999", "soon"])
def test_limit_that_never_ends_is_not_waited_for(wait):
    answer = f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {wait}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
    with Unfriendly(say(answer)) as server:
        done = run(server.url, "--json")
        assert len(server.heads) < 300
    assert done.returncode == BAD and "a rate limit came in between" in said(done)["auth-401-response"]["seen"]


# -- usage -----------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [
    [], ["{url}", "{url}"], ["mcp.example.com/mcp"], ["ftp://127.0.0.1/mcp"], ["http://mcp.example.com/mcp"], ["http://user:word@127.0.0.1/mcp"], ["{url}?a=b"], ["{url}#a"],
    ["{url}\n"], ["https://mcp.example.com/" + "a" * 2000], ["{url}", "--limit", "0"], ["{url}", "--limit", "many"], ["{url}", "--limit", "100001"], ["{url}", "--limit", "-1"],
    ["{url}", "--origin", "app.example"], ["{url}", "--origin", "https://app.example/"], ["{url}", "--origin", "https://app.example?a"], ["{url}", "--origin", "https://app.example\r\nX: y"],
    ["{url}", "--ca", "/nonexistent"], ["{url}", "--token-file", "/nonexistent"], ["{url}", "--token-file", "/dev/null"], ["{url}", "--token-file", "{folder}/blanks"],
    ["{url}", "--token-file", "{folder}/long"], ["{url}", "--token-file", "-", "--low-token-file", "-"], ["{url}", "--token", "secret"], ["{url}", "--nonsense"],
    ["{url}", "--subject", "x"], ["{url}", "--no-issuer=yes"], ["--token-file"],
])
def test_wrong_usage_is_status_2_and_nobody_is_asked(arguments, tmp_path):
    (tmp_path / "blanks").write_text("two words\n")
    (tmp_path / "long").write_text("a" * 20000 + "\n")
    with ResourceServer() as server:
        done = run(*[a.replace("{url}", server.url).replace("{folder}", str(tmp_path)) for a in arguments], stdin=b"token\ntoken\n")
        assert done.returncode == USAGE and done.stderr and done.stdout == b"" and server.kinds == []
    assert b"two words" not in done.stderr and b"aaaaaaaaaaaaaaaa" not in done.stderr.replace(("a" * 2000).encode(), b"")


def test_nobody_there_is_status_3():
    done = run(f"http://127.0.0.1:{free_port()}/mcp")
    assert done.returncode == UNREACHABLE and b"cannot reach" in done.stderr and done.stdout == b""
