"""Whether every acknowledged save is in the store, once and unaltered, and nothing else is."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from safepoint import CheckpointInfo, Store, Workspace

__all__ = ["Saved", "discrepancies"]

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Saved:
    """What a server acknowledged. No two saves of a workspace have the same label."""

    workspace: str
    label: str
    version: int
    sha256: str


async def discrepancies(store: Store, saves: Iterable[Saved]) -> list[str]:
    """What is lost, doubled, altered, or there although nobody was told so; in words."""
    told: dict[str, dict[str, Saved]] = defaultdict(dict)
    for save in saves:
        told[save.workspace][save.label] = save
    places = asyncio.Semaphore(_AT_ONCE)

    async def look(name: str) -> list[str]:
        async with places:
            return _differences(told[name], await _labelled(store.workspace(name)))

    found = await asyncio.gather(*map(look, told))
    return [line for lines in found for line in lines]


async def _labelled(workspace: Workspace) -> list[CheckpointInfo]:
    """All checkpoints that have a label."""
    found: list[CheckpointInfo] = []
    cursor: str | None = None
    while True:
        page = await workspace.checkpoints(limit=1000, cursor=cursor)
        found += [one for one in page.items if one.label is not None]
        if (cursor := page.next_cursor) is None:
            return found


def _differences(told: dict[str, Saved], stored: list[CheckpointInfo]) -> list[str]:
    lines = []
    times = Counter(one.label for one in stored)
    for save in told.values():
        what = f"{save.workspace}: {save.label!r}, acknowledged as version {save.version},"
        if times[save.label] == 0:
            lines.append(f"{what} is lost")
        if times[save.label] > 1:
            lines.append(f"{what} is there {times[save.label]} times")
    for one in stored:
        known = told.get(one.label or "")
        if known is None:
            lines.append(f"{one.label!r}, version {one.version}, was never acknowledged")
        elif (known.version, known.sha256) != (one.version, one.sha256):
            lines.append(f"{known.workspace}: {one.label!r} is not what was acknowledged")
    return lines
