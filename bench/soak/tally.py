"""What agents were told, as far as the end is judged by it, and the gate that lets them rest."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bench.kept import Saved

__all__ = ["Gate", "Tally"]

_LOOK_SECONDS = 0.05


@dataclass
class Tally:
    """`wrong` is everything that should not have been, in words."""

    calls: Counter[str] = field(default_factory=Counter)
    connections: Counter[str] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    saves: list[Saved] = field(default_factory=list)
    finished: dict[str, Any] = field(default_factory=dict)
    """Results of the steps whose end was acknowledged, by idempotency key."""
    attempts: int = 0
    """How often an agent was told to run a step."""
    approved: dict[tuple[str, str], bool] = field(default_factory=dict)
    """Of each workspace and question asked in it, whether an agent was told that it is."""
    repeats: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.calls.values())


class Gate:
    """Calls go through while it is open, at most `limit` of them in all."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._open = asyncio.Event()
        self._open.set()
        self._spent = asyncio.Event()
        self._inside = 0

    async def __aenter__(self) -> None:
        await self.opened()
        self._inside += 1
        self._left -= 1
        if self._left <= 0:
            self._open.clear()
            self._spent.set()

    async def __aexit__(self, *_: object) -> None:
        self._inside -= 1

    async def opened(self) -> None:
        while not self._open.is_set():
            await self._open.wait()

    async def spent(self, seconds: float) -> bool:
        """Wait that long, and no longer than until the last call; whether that was made."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._spent.wait()
        return self._spent.is_set()

    def open(self) -> None:
        self._open.set()

    async def close(self) -> None:
        """Let nothing in any more, and return when nothing is inside."""
        self._open.clear()
        while self._inside:
            await asyncio.sleep(_LOOK_SECONDS)
