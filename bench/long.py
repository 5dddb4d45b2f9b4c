"""Whether a long history costs anything: the same save and load, late and early; cold in S3."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.library import open_store
from bench.race import p50
from bench.states import WIDE, changes
from safepoint import Store, Workspace
from safepoint.objects.memory import MemoryObjects

__all__ = ["BLOCK", "EARLY", "Long", "measure_cold_rounds", "measure_long"]

BLOCK = 256
EARLY = 100


@dataclass(frozen=True, slots=True)
class Long:
    """Ratios of medians, of version `late` to version 100."""

    late: int
    save: float
    load: float


async def measure_long(folder: Path, blocks: int, rounds: int) -> Long:
    """Two workspaces take turns: one at version 100, one so many blocks later. The place in the
    block is the same, and so is the state."""
    late = EARLY + blocks * BLOCK
    times: dict[tuple[str, bool], list[float]] = {
        (what, is_late): [] for what in ("save", "load") for is_late in (True, False)
    }
    states = changes(WIDE, rounds)
    async with AsyncExitStack() as leaving:
        store = await open_store(leaving, folder)
        young, old = store.workspace("young"), store.workspace("old")
        await _grow(young, EARLY - 1)
        await _grow(old, late - 1)
        for change in states:
            for workspace in (young, old):
                began = time.perf_counter()
                await workspace.save(change.state)
                saved = time.perf_counter()
                await workspace.load()
                times["save", workspace is old].append(saved - began)
                times["load", workspace is old].append(time.perf_counter() - saved)
    save, load = (p50(times[what, True]) / p50(times[what, False]) for what in ("save", "load"))
    return Long(late, save, load)


async def _grow(workspace: Workspace, versions: int) -> None:
    for number in range(versions):
        await workspace.save({"number": number})


class _Distant(MemoryObjects):
    """Answers a read or a list after a while, as a bucket does."""

    seconds = 0.0

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(self.seconds)
        return await super().get(key)

    async def list(self, prefix: str, **options: Any) -> list[str]:
        await asyncio.sleep(self.seconds)
        return await super().list(prefix, **options)


async def measure_cold_rounds(versions: int = 300, seconds: float = 0.05) -> float:
    """How many answers, one after the other, a first load waits for in an open store."""
    bucket, passphrase = _Distant(), "only a benchmark"
    async with Store.open(bucket, passphrase=passphrase) as store:
        await _grow(store.workspace("far"), versions)
    async with Store.open(bucket, passphrase=passphrase) as store:
        bucket.seconds = seconds
        began = time.perf_counter()
        await store.workspace("far").load()
        elapsed = time.perf_counter() - began
        bucket.seconds = 0.0
    return elapsed / seconds
