# SPDX-License-Identifier: Apache-2.0
"""Bodies of JSON-RPC calls, as bytes."""
import json


def rpc(method, params=None, id=1):
    message = {"jsonrpc": "2.0", "method": method}
    if id is not None:
        message["id"] = id
    if params is not None:
        message["params"] = params
    return json.dumps(message).encode()


def initialize(id=0, revision="2025-11-25"):
    return rpc("initialize", {"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "harness", "version": "1"}}, id)


def list_tools(id=1):
    return rpc("tools/list", {}, id)


def call_tool(name="echo", id=1, **arguments):
    return rpc("tools/call", {"name": name, "arguments": arguments}, id)
