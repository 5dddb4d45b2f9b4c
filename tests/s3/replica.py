"""One `safepoint serve` process over a bucket, spoken to line by line, so that it can be killed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from typing import Any

from tests.s3.bucket import Bucket

__all__ = ["Gone", "Refused", "Replica"]

PROTOCOL = "2025-11-25"


class Gone(Exception):
    """The process ended before it answered."""


class Refused(Exception):
    """The answer is an error, in words; `code` is the last of them."""

    @property
    def code(self) -> str:
        return str(self).rpartition("[")[2].rstrip("]")


class Replica:
    """Starts at once. One caller at a time, who first waits with `greet` until it serves."""

    def __init__(self, bucket: Bucket) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "safepoint_server", "serve"],
            env=bucket.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._id = 0
        self._greeted = False

    def greet(self) -> None:
        """Return once it serves; at once when it has been greeted."""
        if self._greeted:
            return
        client = {"name": "replica-test", "version": "1"}
        hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client}
        self._ask("initialize", hello)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self._greeted = True

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The tool's answer. Raises Gone, or Refused."""
        result = self._ask("tools/call", {"name": tool, "arguments": arguments})
        if result.get("isError"):
            raise Refused(result["content"][0]["text"])
        answer: dict[str, Any] = result["structuredContent"]
        return answer

    def kill_after(self, seconds: float) -> threading.Timer:
        """Kill it then, whatever it is doing."""
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        return timer

    def kill(self) -> None:
        """At once, as SIGKILL does."""
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._id += 1
        self._send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        assert self._process.stdout is not None
        while line := self._process.stdout.readline():
            if not line.endswith(b"\n"):
                break
            message = json.loads(line)
            if message.get("id") == self._id:
                result: dict[str, Any] = message["result"]
                return result
        raise Gone

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Gone from None
