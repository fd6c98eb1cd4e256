# SPDX-License-Identifier: Apache-2.0
"""mcp_server.py PORT   A small MCP server over streamable HTTP with two tools: echo, and whoami, which tells what the gate said of the caller.
It checks no token: that is what stands in front of it."""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOOLS = [
    {"name": "echo", "description": "Says it again",
     "inputSchema": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}},
    {"name": "whoami", "description": "Tells who is calling, as the gate verified it", "inputSchema": {"type": "object"}},
]
IDENTITY = ("X-MCP-Subject", "X-MCP-Client-ID", "X-MCP-Scopes", "X-MCP-Issuer", "X-MCP-Token-ID", "Authorization")


class RpcError(Exception):
    pass


def call_tool(params, headers):
    name, arguments = params.get("name"), params.get("arguments") or {}
    if name == "echo":
        return "Echo: " + str(arguments.get("message", ""))
    if name == "whoami":
        return json.dumps({h: headers[h] for h in IDENTITY if h in headers})
    raise RpcError(-32602, f"Unknown tool: {name}")


def answer(method, params, headers):
    if method == "initialize":
        return {"protocolVersion": params.get("protocolVersion", "2025-11-25"), "capabilities": {"tools": {}},
                "serverInfo": {"name": "tour", "version": "1"}}
    if method == "ping":
        return {}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": call_tool(params, headers)}]}
    raise RpcError(-32601, "Method not found")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def reply(self, status, message=None):
        body = json.dumps(message).encode() if message is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            message = json.loads(body)
            method, params = message["method"], message.get("params") or {}
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.reply(400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}})
        if "id" not in message:
            return self.reply(202)
        try:
            return self.reply(200, {"jsonrpc": "2.0", "id": message["id"], "result": answer(method, params, self.headers)})
        except RpcError as e:
            return self.reply(200, {"jsonrpc": "2.0", "id": message["id"], "error": {"code": e.args[0], "message": e.args[1]}})

    def do_GET(self):
        self.reply(405, {"error": "method_not_allowed"})

    do_DELETE = do_GET


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
