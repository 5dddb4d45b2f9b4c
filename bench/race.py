"""Contenders on the same states, taking turns, so that what slows the machine slows all of them."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.contender import Contender, KnowsSize, bytes_below
from bench.states import Change, Kind, changes

__all__ = ["Race", "Runner", "p50", "p90", "p99", "race"]

_WARM_LOADS = 20


def p50(values: Sequence[float]) -> float:
    return statistics.median(values)


def p90(values: Sequence[float]) -> float:
    """The smallest value that nine of ten do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.9) - 1]


def p99(values: Sequence[float]) -> float:
    """The smallest value that ninety-nine of a hundred do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]


@dataclass
class Runner:
    """One contender and its figures: seconds, and bytes on disk after every tenth checkpoint."""

    contender: Contender
    folder: Path
    saves: list[float] = field(default_factory=list)
    warm: list[float] = field(default_factory=list)
    cold: list[float] = field(default_factory=list)
    bytes: dict[int, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.contender.name

    def note_size(self, checkpoint: int) -> None:
        one = self.contender
        self.bytes[checkpoint] = (
            one.size() if isinstance(one, KnowsSize) else bytes_below(self.folder)
        )


@dataclass(frozen=True, slots=True)
class Race:
    """What came out, in the order in which contenders were given."""

    kind: Kind
    count: int
    state_bytes: int
    runners: tuple[Runner, ...]

    def of(self, name: str) -> Runner | None:
        return next((runner for runner in self.runners if runner.name == name), None)


async def race(
    kind: Kind,
    count: int,
    makers: Sequence[Callable[[], Contender]],
    folder: Path,
    *,
    cold_loads: int,
) -> Race:
    """`count` checkpoints with every contender; then its size, and loads of the latest one.

    In every round another contender is first.
    """
    runners = [Runner(maker(), folder / f"{folder.name}-{n}") for n, maker in enumerate(makers)]
    async with AsyncExitStack() as leaving:
        for runner in runners:
            runner.folder.mkdir(parents=True)
            await runner.contender.open(runner.folder)
            leaving.push_async_callback(runner.contender.close)
        raw = await _save_in_turns(runners, kind, count)
        await _load_in_turns(runners)
    for runner in runners:
        if not isinstance(runner.contender, KnowsSize):
            runner.note_size(count)
    for _ in range(cold_loads):
        for runner in runners:
            await _timed_cold_load(runner)
    return Race(kind, count, raw, tuple(runners))


async def _save_in_turns(runners: list[Runner], kind: Kind, count: int) -> int:
    """The bytes of text in all states together."""
    raw = 0
    gc.collect()
    for number, change in enumerate(changes(kind, count), start=1):
        raw += sum(len(text) for text in _texts(change))
        for runner in _turned(runners, number):
            await _timed_save(runner, change)
            if number % max(1, count // 20) == 0 or number == count:
                runner.note_size(number)
    return raw


async def _load_in_turns(runners: list[Runner]) -> None:
    for _ in range(_WARM_LOADS):
        for runner in runners:
            began = time.perf_counter()
            if await runner.contender.load():
                runner.warm.append(time.perf_counter() - began)


def _turned(runners: list[Runner], number: int) -> list[Runner]:
    first = number % len(runners)
    return runners[first:] + runners[:first]


def _texts(change: Change) -> list[str]:
    messages = change.state.get("messages", [])
    return [one["content"] for one in messages] or list(change.state["notes"].values())


async def _timed_save(runner: Runner, change: Change) -> None:
    began = time.perf_counter()
    await runner.contender.save(change)
    runner.saves.append(time.perf_counter() - began)


async def _timed_cold_load(runner: Runner) -> None:
    """Open, load, and close: nothing of it in this process's memory."""
    began = time.perf_counter()
    await runner.contender.open(runner.folder)
    loaded = await runner.contender.load()
    elapsed = time.perf_counter() - began
    await runner.contender.close()
    if loaded:
        runner.cold.append(elapsed)
