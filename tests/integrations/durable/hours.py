"""Time for durable runs: waiting makes it pass at once, heartbeats come when a test says so."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tests.place import Place

from safepoint.integrations.durable import Timing

LEASE = timedelta(minutes=1)
BEAT = 20.0
"""Seconds between two heartbeats of such a lease."""


class Hours:
    """Turns the clock of a place. `slept` has every wait, in seconds."""

    def __init__(self, place: Place, lease: timedelta = LEASE) -> None:
        self.place = place
        self._beats = (lease.total_seconds() / 3, lease.total_seconds() / 9)
        self.slept: list[float] = []
        self._asleep = asyncio.Event()
        self._beat = asyncio.Event()

    def timing(self, chance: float = 0.0) -> Timing:
        return Timing(sleep=self.sleep, random=lambda: chance)

    async def sleep(self, seconds: float) -> None:
        if seconds in self._beats:
            self._asleep.set()
            await self._beat.wait()
            self._beat.clear()
            return
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.place.now += timedelta(seconds=seconds)

    async def beat(self, seconds: float = BEAT) -> None:
        """Let time pass until the next heartbeat, and have it."""
        await self._asleep.wait()
        self._asleep.clear()
        self.place.now += timedelta(seconds=seconds)
        self._beat.set()

    async def beaten(self) -> None:
        """Until the last heartbeat is over, and the next one waits for its time."""
        await self._asleep.wait()
