# SPDX-License-Identifier: Apache-2.0
"""What the tests of mcpauthctl probe share."""
import json
import subprocess

from harness import paths
from resource_server import result

GOOD, BAD, USAGE, UNREACHABLE = 0, 1, 2, 3
TOKEN_OPTIONS = {"good": "--token-file", "low": "--low-token-file", "expired": "--expired-token-file", "audience": "--wrong-audience-token-file"}
# Of these the gate answers when it looks into bodies.
INSPECTED = {"mcp-batch", "mcp-duplicate-member", "mcp-header-mismatch", "mcp-unknown-method", "mcp-body-too-large", "mcp-media-type"}


# A sanitizer's finding is none of the exit statuses above.
ENV = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "ASAN_OPTIONS": "exitcode=99", "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99"}


def argv(*arguments):
    return [paths.built_program("mcpauthctl"), "probe", *map(str, arguments)]


def run(*arguments, stdin=None, env=None):
    return subprocess.run(argv(*arguments), input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**ENV, **(env or {})}, timeout=240 * paths.PATIENCE, check=False)


def token_files(folder, tokens):
    """Options that name files with these tokens."""
    options = []
    for name, token in tokens.items():
        path = folder / f"{name}.token"
        path.write_text(token + "\n")
        options += [TOKEN_OPTIONS[name], path]
    return options


def said(done):
    """{id: check} of --json."""
    document = json.loads(done.stdout)
    checks = {check["id"]: check for check in document["checks"]}
    assert len(checks) == len(document["checks"]) > 30
    return checks


def failed(checks):
    return {name for name, check in checks.items() if check["outcome"] == "fail"}


def probe(server, folder, *more, tokens=None):
    done = run(server.url, "--json", *token_files(folder, server.tokens if tokens is None else tokens), *more)
    text = (done.stdout + done.stderr).decode()
    for token in server.tokens.values():
        assert token.split(".")[1][:16] not in text and token.split(".")[2][:16] not in text
    return done


# -- changes to an answer of ResourceServer -------------------------------------------------------------------------------------------------


def let_in(answer):
    answer.status, answer.body = 200, result({"tools": []}).body
    answer.without("WWW-Authenticate").with_("Content-Type", "application/json")


def empty(answer):
    answer.status, answer.body = 204, b""


def status(number):
    def change(answer):
        answer.status = number
    return change


def challenge(old, new):
    """Something else in WWW-Authenticate."""
    def change(answer):
        value = answer.get("WWW-Authenticate")
        assert old in value
        answer.with_("WWW-Authenticate", value.replace(old, new))
    return change


def header(name, value=None):
    def change(answer):
        if value is None:
            answer.without(name)
        else:
            answer.with_(name, value)
    return change


def document(**members):
    """Other members in the JSON body; None takes one out."""
    def change(answer):
        answer.body = json.dumps({k: v for k, v in {**json.loads(answer.body), **members}.items() if v is not None}).encode()
    return change


def body(text):
    def change(answer):
        answer.body = text
    return change
