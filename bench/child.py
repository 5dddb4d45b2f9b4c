"""An MCP server as a child process, spoken to over its pipes; what it costs the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from bench.processes import cpu_seconds, resident_bytes

__all__ = ["ECHO", "Child", "serve_command"]

ROOT = Path(__file__).parents[1]
ECHO = [sys.executable, "-m", "bench.echo"]
_PROTOCOL = "2025-11-25"


def serve_command(store: Path | str, key: Path) -> list[str]:
    start = "import sys; from safepoint_server.cli import main; sys.exit(main())"
    return [sys.executable, "-c", start, "serve", "--store", str(store), "--key-file", str(key)]


class Child:
    """Speaks JSON-RPC itself, so that hardly anything but the server is measured."""

    def __init__(self, command: list[str], home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        names = ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
        kept = {name: value for name, value in os.environ.items() if "SAFEPOINT" not in name}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program is compiled once
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**kept, **dict.fromkeys(names, str(home))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._calls = 0

    def greet(self) -> None:
        """Initialize; returns with the first reply."""
        client = {"name": "bench", "version": "1"}
        about = {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": client}
        self._request("initialize", about)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a tool call. Raises RuntimeError when it failed."""
        result = self._request("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise RuntimeError(result["content"][0]["text"])
        return result

    def reply_bytes(self, tool: str, arguments: dict[str, Any]) -> int:
        """The size of what a model is shown of the reply."""
        return len(self.call(tool, arguments)["content"][0]["text"].encode())

    def cpu_seconds(self) -> float:
        """Of user and system, since it started (Linux)."""
        return cpu_seconds(self._process.pid)

    def resident_bytes(self) -> int:
        """Memory in use (Linux)."""
        return resident_bytes(self._process.pid)

    def leave(self) -> None:
        """Close its input and wait until it has ended."""
        self._process.communicate(timeout=60)

    def _request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._calls += 1
        call = self._calls
        self._send({"jsonrpc": "2.0", "id": call, "method": method, "params": params})
        while True:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(f"the server left during {method}")
            reply = json.loads(line)
            if reply.get("id") == call:
                if "error" in reply:
                    raise RuntimeError(str(reply["error"]))
                found: dict[str, Any] = reply["result"]
                return found

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(orjson.dumps(message) + b"\n")
        self._process.stdin.flush()
