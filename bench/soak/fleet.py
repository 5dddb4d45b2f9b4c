"""The replicas: one that is never killed, and others that are, again and again."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from random import Random

from bench.processes import open_files, resident_bytes, threads
from bench.replica import Replica
from bench.soak.memory import Sample
from bench.soak.tally import Gate

__all__ = ["Fleet"]

_LOOK_SECONDS = 0.02


class Fleet:
    """The first of `replicas` is the one that is never killed."""

    def __init__(self, replicas: list[Replica], gate: Gate) -> None:
        self.kills = 0
        self._replicas = replicas
        self._gate = gate
        self._chance = Random(6)
        self._lives = dict.fromkeys((one.name for one in replicas), 1)
        self._whole = asyncio.Lock()
        """Held while a replica is down."""
        self._again: asyncio.Future[None] | None = None

    async def start(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(one.start) for one in self._replicas))

    def urls(self) -> list[str]:
        """Of all, also of those that are down: clients find out."""
        return [one.url for one in self._replicas]

    async def kill_now_and_then(self, seconds: float) -> None:
        """Every so many seconds, on the average, until cancelled."""
        while True:
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * seconds)
            await self._gate.opened()
            victim = self._chance.choice(self._replicas[1:])
            async with self._whole:
                self.kills += 1
                self._lives[victim.name] += 1
                self._again = asyncio.ensure_future(asyncio.to_thread(_again, victim))
                await self._again

    async def samples(self, calls: int) -> list[Sample]:
        """One of each, when all are there."""
        async with self._whole:
            return [await self._sample(one, calls) for one in self._replicas]

    async def _sample(self, replica: Replica, calls: int) -> Sample:
        pid, life = replica.pid, f"{replica.name}.{self._lives[replica.name]}"
        costs = (resident_bytes(pid), open_files(pid), threads(pid))
        return Sample(life, calls, *costs, tasks=await _tasks(pid, replica.folder / "tasks"))

    async def close(self) -> None:
        """End all, also one that was about to start when whoever waited for it gave up."""
        if self._again is not None:
            await asyncio.wait({self._again})
        for one in self._replicas:
            one.kill()


def _again(victim: Replica) -> None:
    victim.kill()
    victim.start()


async def _tasks(pid: int, told: Path) -> int:
    """What `bench.watched` answers."""
    before = told.stat().st_size if told.exists() else 0
    os.kill(pid, signal.SIGUSR1)
    while not told.exists() or told.stat().st_size <= before:
        await asyncio.sleep(_LOOK_SECONDS)
    return int(told.read_text().split()[-1])
