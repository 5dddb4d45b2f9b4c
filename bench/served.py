"""Safepoint over MCP: a real `safepoint serve` on stdio; and a bare server that only echoes."""

from __future__ import annotations

from pathlib import Path

import orjson

from bench.child import ECHO, Child, serve_command
from bench.states import Change

__all__ = ["Echoed", "Served"]


class Served:
    """`save_checkpoint` with the whole state, by the tool call that an agent makes."""

    name = "Safepoint over MCP"
    _child: Child

    async def open(self, folder: Path) -> None:
        beside = folder.with_name(f"{folder.name}-key")
        beside.mkdir(exist_ok=True)
        self._child = Child(serve_command(folder, beside / "key"), beside)
        self._child.greet()

    async def save(self, change: Change) -> None:
        self._child.call("save_checkpoint", {"workspace": "bench", "state": change.state})

    async def load(self) -> bool:
        return bool(self._child.call("load_checkpoint", {"workspace": "bench"}))

    def reply_bytes(self) -> int:
        """Of load_checkpoint with its default options."""
        return self._child.reply_bytes("load_checkpoint", {"workspace": "bench"})

    async def close(self) -> None:
        self._child.leave()


class Echoed:
    """The same state as text, there and back, through a server that keeps nothing."""

    name = "bare MCP echo"
    _child: Child

    async def open(self, folder: Path) -> None:
        self._child = Child(ECHO, folder / "home")
        self._child.greet()

    async def save(self, change: Change) -> None:
        self._child.call("echo", {"text": orjson.dumps(change.state).decode()})

    async def load(self) -> bool:
        return False

    async def close(self) -> None:
        self._child.leave()
