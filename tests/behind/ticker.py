"""Time that passes only when a test says so, and a store that tells when something was done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from safepoint import Pace
from safepoint.testing.faults import CountingObjects, Operation

T = TypeVar("T")


class Ticker:
    """Sleepers wake when the time that they wait for has been passed."""

    def __init__(self) -> None:
        self.time = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []
        self._asleep = asyncio.Condition()

    def pace(self, grace: float = 10.0) -> Pace:
        return Pace(grace=grace, now=lambda: self.time, sleep=self.sleep)

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        self._sleepers.append((self.time + seconds, awake))
        async with self._asleep:
            self._asleep.notify_all()
        await awake.wait()

    async def pass_(self, seconds: float) -> None:
        """Wait until somebody sleeps, then let time pass."""
        async with self._asleep:
            await self._asleep.wait_for(lambda: bool(self._sleepers))
        self.time += seconds
        for sleeper in [s for s in self._sleepers if s[0] <= self.time]:
            self._sleepers.remove(sleeper)
            sleeper[1].set()


class WatchedObjects(CountingObjects):
    """Lets a test wait until an operation is over. `refuse` makes chosen ones fail."""

    def __init__(self, inner: object, *, lists_cheaply: bool = True) -> None:
        super().__init__(inner)  # type: ignore[arg-type]
        self.lists_cheaply = lists_cheaply
        self.over: list[Operation] = []
        self.refuse: Callable[[Operation], BaseException | None] = lambda operation: None
        self.at_once = self.most_at_once = 0
        self._changed = asyncio.Condition()

    async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.operations.append(operation)
            error = self.refuse(operation)
            if error is not None:
                raise error
            return await act()
        finally:
            self.at_once -= 1
            self.over.append(operation)
            async with self._changed:
                self._changed.notify_all()

    def puts(self, key: str) -> int:
        """How often a put of this key is over."""
        return self.over.count(Operation("put", key))

    async def until(self, met: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(met)
