"""Whether what a process holds is flat, by a rule that is stated."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

__all__ = ["RULE", "Held", "Sample", "held"]

_MEBI = 2**20
_RISE_BYTES = 4 * _MEBI
_MORE = 8
_FEWEST = 6
RULE = (
    "At every rest, when no call runs, each replica is looked at. Of one that lived through six "
    "rests or more the first third is warm-up. Its memory is flat when a line through the other "
    "looks (the median slope between any two) rises by no more than 4 MiB; its file descriptors, "
    "threads and tasks are flat when at the end there are no more than eight above the most of the "
    "warm-up: pools fill when calls happen to meet."
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at one life of a replica; `calls` were made until then, to all of them."""

    life: str
    calls: int
    resident: int
    files: int
    threads: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Held:
    """One life, first and last look after the warm-up. `rise` is that of the line, in bytes."""

    life: str
    looks: int
    calls: int
    first: Sample
    last: Sample
    rise: float
    wrong: tuple[str, ...]


def held(samples: Iterable[Sample]) -> list[Held]:
    """Of every life that was seen often enough to be judged, longest first."""
    lives: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        lives[sample.life].append(sample)
    judged = [_held(looks) for looks in lives.values() if len(looks) >= _FEWEST]
    return sorted(judged, key=lambda one: -one.looks)


def _held(looks: list[Sample]) -> Held:
    warm, rest = looks[: len(looks) // 3], looks[len(looks) // 3 :]
    calls = rest[-1].calls - rest[0].calls
    rise = _slope(rest) * calls
    wrong = [f"memory rises by {rise / _MEBI:.1f} MiB"] if rise > _RISE_BYTES else []
    for what in ("files", "threads", "tasks"):
        most, last = max(getattr(one, what) for one in warm), getattr(rest[-1], what)
        if last > most + _MORE:
            wrong.append(f"{what}: {last}, and at most {most} at first")
    return Held(looks[0].life, len(looks), calls, rest[0], rest[-1], rise, tuple(wrong))


def _slope(looks: Sequence[Sample]) -> float:
    """Bytes for each call: the median over all pairs (Theil-Sen), which outliers do not move."""
    slopes = [
        (two.resident - one.resident) / (two.calls - one.calls)
        for one, two in combinations(looks, 2)
        if two.calls > one.calls
    ]
    return statistics.median(slopes) if slopes else 0.0
