"""Remembers for some seconds what was looked up, and looks up each thing once at a time."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from safepoint.values import dataclass

__all__ = ["Recent"]

V = TypeVar("V")
_MOST: Final = 10_000
_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class _Found(Generic[V]):
    """`since` is when the look-up began: what it found may have changed from then on."""

    task: asyncio.Task[V]
    since: float

    @property
    def failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


class Recent(Generic[V]):
    """`seconds` bounds how late a change is seen. Failures are not remembered."""

    def __init__(
        self,
        look_up: Callable[[str], Awaitable[V]],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up = look_up
        self._seconds = seconds
        self._clock = clock
        self._found: OrderedDict[str, _Found[V]] = OrderedDict()
        self._few = asyncio.Semaphore(_AT_ONCE)

    async def get(self, key: str) -> V:
        """Raises what the look-up raised. A caller who goes away leaves it to those who wait."""
        found = self._found.get(key)
        if found is None or found.failed or self._clock() >= found.since + self._seconds:
            found = self._begin(key)
        return await asyncio.shield(found.task)

    def _begin(self, key: str) -> _Found[V]:
        found = _Found(asyncio.create_task(self._one(key)), self._clock())
        found.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._found[key] = found
        self._found.move_to_end(key)
        while len(self._found) > _MOST:
            self._found.popitem(last=False)
        return found

    async def _one(self, key: str) -> V:
        async with self._few:
            return await self._look_up(key)
