# SPDX-License-Identifier: Apache-2.0
"""What the gate decides about, the server behind must read alike: whatever is let through is parsed by Node and by Python, and both must find what is on
record. What the gate refuses may be anything."""
import json
import os
import random

import pytest

from harness import wait_until

pytestmark = [pytest.mark.node, pytest.mark.sanitize]

PARTS = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\t", b"\r\n", b"\0", b"\xef\xbb\xbf", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"null", b"true", b"1e400",
         b"-0", b"0.5", b"\\u006d", b"\\ud800", b"\\ud83d\\ude00", b"\\u0000", b"\\/", b'"method"', b'"params"', b'"name"', b'"Name"', b'"id"', b'"uri"', b'"_meta"', b'"__proto__"',
         b'"method":"tools/list",', b'"name":"other",', b'"params":{},', b'"id":2,', b"//", b"/**/", b"'", b"NaN", b"Infinity", b"+1", b"01", b"1.", b"\x0c", b"\xa0"]
SEEDS = [
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"a":[1,2.5e-3,{"name":"inner","method":"x"}],"b":"\\u00e9\\n"}}}',
    b'{"jsonrpc":"2.0","id":"a-1","method":"resources/read","params":{"uri":"file:///a%20b?x=1","_meta":{"progressToken":0}}}',
    b'{"method":"prompts/get","params":{"arguments":{},"name":"na\\u006de \\"q\\" \\ud83d\\ude00"},"id":-7,"jsonrpc":"2.0"}',
    b' \r\n\t{ "jsonrpc" : "2.0" , "method" : "notifications/initialized" } \n',
    '{"jsonrpc":"2.0","id":9007199254740991,"method":"tools/call","params":{"name":"grüße-日本-😀"}}'.encode(),
]


def mutated(chance, body):
    """Bytes put in, taken out, doubled, swapped: mostly no message any more, sometimes one of which parsers may think differently."""
    data = bytearray(body)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            data[at:at] = chance.choice(PARTS)
        elif kind == 1:
            del data[at:at + chance.randrange(1, 9)]
        elif kind == 2:
            end = min(len(data), at + chance.randrange(1, 40))
            data[end:end] = data[at:end]
        elif kind == 3 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        else:
            data[at:at + 1] = chance.choice(PARTS)
    return bytes(data)


def unique(pairs):
    assert len({name for name, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


def strict(text):
    raise AssertionError(text)


def test_what_is_let_through_is_read_alike_by_all(world):
    s = world.stack(upstream=world.parse_server(), location="MCPAuthInspect Body\nMCPAuthOperation * granted")
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(2 ** 32)))
    print(f"SEED={seed}")
    chance, token = random.Random(seed), s.token(expires_in=3600)
    let_in = {}
    for number in range(1500):
        body = mutated(chance, SEEDS[number % len(SEEDS)])
        answer = s.call(token=token, body=body, headers={"User-Agent": f"n{number}"})
        assert answer.status in (200, 400, 403, 413), (body, answer)
        if answer.status == 200:
            let_in[f"n{number}"] = (body, answer.json())
    assert 200 < len(let_in) < 1400
    wait_until(lambda: len([r for r in s.admind.journal_lines() if r.get("user_agent") in let_in and "event" not in r]) == len(let_in), 60, "all records")
    records = {r["user_agent"]: r for r in s.admind.journal_lines() if r.get("user_agent") in let_in}
    for agent, (body, node) in let_in.items():
        python = json.loads(body.decode("utf-8"), parse_constant=strict)
        decided = (records[agent].get("rpc_method"), records[agent].get("rpc_name"))
        named = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri", "resources/subscribe": "uri", "resources/unsubscribe": "uri"}.get(decided[0])
        assert "error" not in node and not node["batch"] and node["bytes"] == len(body), (body, node)
        if decided[0] == "response":
            assert node["method"] is None and "method" not in python, body
            continue
        assert node["method"] == python["method"] == decided[0], (body, node, decided)
        if named:
            assert node[named] == python["params"][named] == decided[1], (body, node, decided)
        assert unique(json.loads(body, object_pairs_hook=lambda pairs: pairs)), body
