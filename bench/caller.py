"""One connection to an MCP server over HTTP, in the newest revision of the protocol."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import orjson

__all__ = ["Caller"]

_PROTOCOL = "2026-07-28"
_META = {
    "io.modelcontextprotocol/protocolVersion": _PROTOCOL,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_SECONDS = 60.0
_IDLE_SECONDS = 2.0


class Caller:
    """Speaks JSON-RPC itself, so that hardly anything but the server is measured."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
        self._calls = 0
        self._used = time.monotonic()

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a tool call. Raises RuntimeError when it failed."""
        if time.monotonic() - self._used > _IDLE_SECONDS:
            self._connection.close()  # and it opens anew: servers close those that are idle
        self._calls += 1
        params = {"name": tool, "arguments": arguments, "_meta": _META}
        body = {"jsonrpc": "2.0", "id": self._calls, "method": "tools/call", "params": params}
        headers = {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "MCP-Protocol-Version": _PROTOCOL,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        self._connection.request("POST", "/mcp", orjson.dumps(body), headers)
        response = self._connection.getresponse()
        text = response.read().decode()
        self._used = time.monotonic()
        if response.status != http.client.OK:
            raise RuntimeError(f"status {response.status}: {text}")
        result: dict[str, Any] = json.loads(text)["result"]
        if result.get("isError"):
            raise RuntimeError(result["content"][0]["text"])
        return result

    def close(self) -> None:
        self._connection.close()
