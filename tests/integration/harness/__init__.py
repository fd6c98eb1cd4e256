# SPDX-License-Identifier: Apache-2.0
"""The parts that integration tests are made of: real programs, started on loopback ports in a scratch directory.

A test asks for the fixture `world` (or `module_world`, or `stack`) of conftest.py and starts what it needs from there; README.md
in the folder above shows how.
"""
from .admind import Admind
from .client import Answer, h2_request, raw_exchange, send
from .httpd import Httpd, HttpdFailed
from .issuer import HmacKey, Issuer, Key
from .load import Load
from .monitoring import Alertmanager, Prometheus, promtool_check
from .paths import BUILD, SOURCE, VECTORS
from .process import free_port, wait_until
from .rpc import call_tool, initialize, list_tools, rpc
from .upstream import Upstream
from .world import World

__all__ = [
    "Admind", "Alertmanager", "Answer", "BUILD", "HmacKey", "Httpd", "HttpdFailed", "Issuer", "Key", "Load", "Prometheus", "SOURCE", "Upstream",
    "VECTORS", "World", "call_tool", "free_port", "h2_request", "initialize", "list_tools", "promtool_check", "raw_exchange", "rpc", "send",
    "wait_until",
]
