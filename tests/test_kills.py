"""A saving server process is killed again and again; what it acknowledged is there, once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.conftest import CAMPAIGN

from safepoint import Store

KILLS = 8
PROTOCOL = "2025-11-25"


class Server:
    """A `safepoint serve` process, spoken to line by line, so that it can be killed mid-line."""

    def __init__(self, store: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "safepoint_server", "serve", "--store", str(store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._id = 0
        client = {"name": "kill-test", "version": "1"}
        hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": client}
        self.call("initialize", hello)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result. Raises BrokenPipeError when the process is gone before it answers."""
        self._id += 1
        self._send({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        assert self.process.stdout is not None
        while line := self.process.stdout.readline():
            if not line.endswith(b"\n"):
                break
            message = json.loads(line)
            if message.get("id") == self._id:
                result: dict[str, Any] = message["result"]
                return result
        raise BrokenPipeError

    def save(self, number: int) -> dict[str, Any]:
        arguments = {
            "workspace": "work",
            "state": {"items": {str(number): "x" * 200}, "last": number},
            "merge": True,
            "request_id": f"save {number}",
        }
        result = self.call("tools/call", {"name": "save_checkpoint", "arguments": arguments})
        assert not result.get("isError"), result
        saved: dict[str, Any] = result["structuredContent"]
        return saved

    def kill(self) -> None:
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()


def _save_until_killed(server: Server, first: int, delay: float) -> list[dict[str, Any]]:
    """Save number after number until the process dies: the acknowledged replies."""
    acknowledged: list[dict[str, Any]] = []
    killer = threading.Timer(delay, server.kill)
    killer.start()
    try:
        while True:
            acknowledged.append(server.save(first + len(acknowledged)))
    except BrokenPipeError:
        return acknowledged
    finally:
        killer.join()
        server.close()


def test_no_acknowledged_save_is_lost_and_none_is_doubled(tmp_path: Path) -> None:
    chance = random.Random(int(os.environ.get("PYTEST_SEED", "7")))
    store = tmp_path / "store"
    acknowledged: dict[int, dict[str, Any]] = {}
    for _ in range(KILLS * CAMPAIGN):
        delay = chance.uniform(0.0, 0.4)
        replies = _save_until_killed(Server(store), len(acknowledged), delay)
        for reply in replies:
            acknowledged[len(acknowledged)] = reply
    assert len(acknowledged) > KILLS * CAMPAIGN
    asyncio.run(_check(store, acknowledged))


async def _check(folder: Path, acknowledged: dict[int, dict[str, Any]]) -> None:
    async with Store.open(folder, create=False) as store:
        work = store.workspace("work")
        final = await work.load()
        assert isinstance(final.state, dict)
        items = final.state["items"]
        assert isinstance(items, dict)
        # The save under way at the last kill may have happened without its answer.
        assert len(items) - len(acknowledged) in (0, 1)
        assert [int(key) for key in items] == list(range(len(items)))
        assert final.version == len(items)
        for number, reply in acknowledged.items():
            assert reply["version"] == number + 1
            there = await work.load(version=number + 1)
            assert there.sha256 == reply["sha256"]
