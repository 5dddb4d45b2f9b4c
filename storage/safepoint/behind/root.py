"""The page of the whole store, and the sealed summary of all summaries that it is made from.

A process that makes one commit must not read a thousand summaries to write a page. So the lines of
all workspaces lie in one sealed object: it is read, the own changes are put in, it is written.
What racing writers lose there comes back with the workspace's next commit, or when a process that
goes on reads all summaries again, which one process of all does once a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from safepoint.behind.summary import Summary, open_sealed, seal_json
from safepoint.behind.views import root_row
from safepoint.crypto.envelope import Random
from safepoint.crypto.storekeys import StoreKeys
from safepoint.format.keys import ROOT_PAGE, ROOT_SUMMARY, WORKSPACES_FOLDER
from safepoint.objects.base import ObjectStore
from safepoint.pages import MAX_ROWS, RootPage, render_root

__all__ = ["RootWriter"]

_REFRESH_MS = 60_000
_REFRESH_AT_EXIT_MS = 3_600_000
_PARALLEL_READS = 32


@dataclass(slots=True)
class _Lines:
    """What the root summary holds. `after` is where the next refresh goes on, in a store of more
    folders than one refresh reads."""

    lines: dict[str, Summary] = field(default_factory=dict)
    refreshed_ms: int | None = None
    after: str = ""
    more: bool = False
    unread: int = 0

    def put(self, segment: str, summary: Summary) -> None:
        known = self.lines.get(segment)
        same = known is not None and known.workspace_id == summary.workspace_id
        if known is None or (
            summary.version >= known.version if same else summary.updated_ms >= known.updated_ms
        ):
            self.lines[segment] = _without_texts(summary)

    def trim(self) -> None:
        """Keep the lines that changed last, in that order."""
        newest = sorted(self.lines.items(), key=lambda line: (-line[1].updated_ms, line[0]))
        self.more = self.more or len(newest) > MAX_ROWS
        self.lines = dict(newest[:MAX_ROWS])

    def stored(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "refreshed_ms": self.refreshed_ms,
            "after": self.after,
            "more": self.more,
            "unread": self.unread,
        }

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> _Lines:
        lines = {segment: Summary.read(line) for segment, line in stored["lines"].items()}
        return cls(lines, stored["refreshed_ms"], stored["after"], stored["more"], stored["unread"])


class RootWriter:
    """Writes `index.html` and `summary` at the root, from what `update` was told and the rest."""

    def __init__(
        self,
        objects: ObjectStore,
        keys: StoreKeys,
        *,
        random: Random,
        clock: Callable[[], datetime],
        read: Callable[[str], Awaitable[Summary | None]],
        names: bool,
    ) -> None:
        self._objects = objects
        self._keys = keys
        self._random = random
        self._clock = clock
        self._read = read
        self._names = names
        self._updates: dict[str, Summary] = {}

    def update(self, segment: str, summary: Summary) -> None:
        self._updates[segment] = _without_texts(summary)

    async def write(self, *, leaving: bool) -> None:
        """`leaving`: the process is about to end, so read no more than needed."""
        now = self._clock()
        now_ms = int(now.timestamp() * 1000)
        known = await self._stored()
        updates = dict(self._updates)
        if known.refreshed_ms is None or abs(now_ms - known.refreshed_ms) >= (
            _REFRESH_AT_EXIT_MS if leaving else _REFRESH_MS
        ):
            await self._refresh(known, now_ms)
        for segment, summary in updates.items():
            known.put(segment, summary)
        known.trim()
        sealed, page = await asyncio.to_thread(self._render, known, now, now_ms)
        await self._objects.put(ROOT_SUMMARY, sealed)
        await self._objects.put(ROOT_PAGE, page)
        for segment, summary in updates.items():
            if self._updates.get(segment) is summary:
                del self._updates[segment]

    async def lines(self) -> dict[str, Summary]:
        """What is stored, by folder, and what this process will add to it."""
        return (await self._stored()).lines | self._updates

    async def _stored(self) -> _Lines:
        data = await self._objects.get(ROOT_SUMMARY)
        stored = None if data is None else open_sealed(self._keys, ROOT_SUMMARY, data, _Lines.read)
        return stored or _Lines()

    async def _refresh(self, known: _Lines, now_ms: int) -> None:
        """Read the summaries of the next 1,000 folders, and forget lines of folders gone."""
        found = await self._objects.list(
            WORKSPACES_FOLDER, after=known.after, limit=MAX_ROWS, folders=True
        )
        summaries: list[Summary | None] = []
        for first in range(0, len(found), _PARALLEL_READS):
            some = found[first : first + _PARALLEL_READS]
            summaries += await asyncio.gather(*(self._read(segment) for segment in some))
        whole, last = len(found) < MAX_ROWS, found[-1] if found else ""
        there = set(found)
        for segment in [s for s in known.lines if s > known.after and (whole or s <= last)]:
            if segment not in there:
                del known.lines[segment]
        for segment, summary in zip(found, summaries, strict=True):
            if summary is not None:
                known.put(segment, summary)
        known.more = not whole or bool(known.after)
        known.unread = len(there - known.lines.keys() - self._updates.keys())
        known.after = "" if whole else last
        known.refreshed_ms = now_ms

    def _render(self, known: _Lines, now: datetime, now_ms: int) -> tuple[bytes, bytes]:
        rows = tuple(
            root_row(segment, line, now_ms, names=self._names)
            for segment, line in known.lines.items()
            if not line.deleted
        )
        page = render_root(RootPage(rows, now, known.more, known.unread))
        sealed = seal_json(self._keys, ROOT_SUMMARY, known.stored(), random=self._random)
        return sealed, page


def _without_texts(summary: Summary) -> Summary:
    return replace(summary, goal=None, summary=None, next_action=None, due=())
