"""What changes in the workspaces of one open store: told at once when this process changed it, and
when another did, at the next look. Nothing is looked at that nobody watches."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from enum import StrEnum
from typing import Final

from safepoint.behind.following import Following
from safepoint.errors import InvalidInput, LimitExceeded, SafepointError
from safepoint.format.document import Document
from safepoint.format.keys import WORKSPACES_FOLDER, decode_name, encode_name, log_key
from safepoint.log.log import Head, Log, Shared
from safepoint.log.registry import Registry
from safepoint.log.shared import VIEW_SECONDS
from safepoint.log.transitions.artifact import current
from safepoint.values import dataclass

__all__ = ["MAX_WATCHED", "Part", "Watch", "Watched", "Watching"]

MAX_WATCHED: Final = 1000
"""How many workspaces of one store are watched at most."""

_LOOKS_A_SECOND: Final = 10
_AT_ONCE: Final = 10
_PAGE: Final = 1000


class Part(StrEnum):
    """`names` is which workspaces there are, `list` also what each is at; both are of the whole
    store. `step` and `artifact` have an item."""

    NAMES = "names"
    LIST = "list"
    WORKSPACE = "workspace"
    STEPS = "steps"
    STEP = "step"
    CHECKPOINTS = "checkpoints"
    ARTIFACT = "artifact"


@dataclass(frozen=True, slots=True)
class Watched:
    """Something that may change. Without a `workspace` it is of the whole store."""

    part: Part
    workspace: str = ""
    item: str = ""


class Watch:
    """Tells one watcher of what it watches: `async with store.watch() as watch`."""

    def __init__(
        self, watching: Watching, interval: timedelta, visible: Callable[[str], bool] | None
    ) -> None:
        self._watching = watching
        self._visible = visible
        self._commits = 0
        self._turns = 0  # workspaces that were deleted here, or begun again
        self._folders: frozenset[str] = frozenset()
        self._shown = self._folders  # those of them that are visible
        self._seconds = interval.total_seconds()
        self._marks: dict[Watched, object] = {}
        self._names: Counter[str] = Counter()
        self._changed: dict[Watched, None] = {}
        self._wake = asyncio.Event()
        self._closed = False
        self._due = watching.timer() + self._seconds

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def add(self, watched: Watched) -> None:
        """Watch this too: every change from now on is told, or the last of several.

        Raises:
            LimitExceeded: too many workspaces of this store are watched.
        """
        if watched in self._marks:
            return
        name = watched.workspace
        self._watching.join(self, name)
        self._marks[watched] = _UNKNOWN
        self._names[name] += 1
        await self._watching.read(name)
        if self._marks.get(watched) is _UNKNOWN:
            self._marks[watched] = None  # not read: the first look that can is news

    def discard(self, watched: Watched) -> None:
        """Watch it no longer."""
        if watched in self._marks:
            del self._marks[watched]
            self._changed.pop(watched, None)
            self._names[watched.workspace] -= 1
            if not self._names[watched.workspace]:
                del self._names[watched.workspace]
                self._watching.leave(self, [watched.workspace])

    def close(self) -> None:
        """Watch nothing any more; whoever waits is told so."""
        self._closed = True
        self._wake.set()
        names = list(self._names)
        self._names.clear()
        self._marks.clear()
        self._changed.clear()
        self._watching.leave(self, names)

    @property
    def busy(self) -> bool:
        return bool(self._names)

    def watches(self, name: str) -> bool:
        return name in self._names

    async def changed(self) -> tuple[Watched, ...]:
        """Wait until something has changed; each thing once, however often it did. Nothing once
        the watch is closed."""
        while not self._closed:
            now = self._watching.timer()
            if now >= self._due:
                seconds = self._watching.pace(self._seconds)
                self._due = now + seconds
                await self._watching.look(list(self._names), seconds / 2)
            if self._changed:
                found = tuple(self._changed)
                self._changed.clear()
                return found
            if self._closed:  # since the look
                break
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(self._due - self._watching.timer(), 0.001)):
                    await self._wake.wait()
        return ()

    def committed(self, name: str, *, turned: bool) -> None:
        """A workspace was changed here; `turned`: it was deleted, or is another one now."""
        if self._sees(name):
            self._commits += 1
            self._turns += turned

    def told_names(self, folders: frozenset[str]) -> None:
        """Compare what is watched of the whole store with how it is now."""
        if folders is not self._folders:
            self._folders = self._shown = folders
            if self._visible is not None:
                self._shown = frozenset(one for one in folders if self._sees(_name_of(one)))
        names = (self._turns, self._shown)
        marks = {Part.NAMES: names, Part.LIST: (self._commits, names)}
        self.told("", lambda watched: marks.get(watched.part))

    def _sees(self, name: str | None) -> bool:
        return self._visible is None or (name is not None and self._visible(name))

    def told(self, name: str, mark_of: Callable[[Watched], object]) -> None:
        """Compare what is watched of a workspace with how it is now."""
        if not self.watches(name):
            return
        for watched, known in self._marks.items():
            if watched.workspace == name and known != (mark := mark_of(watched)):
                self._marks[watched] = mark
                if known is not _UNKNOWN:
                    self._changed[watched] = None
                    self._wake.set()


def _name_of(folder: str) -> str | None:
    with suppress(InvalidInput):
        return decode_name(folder)
    return None


_UNKNOWN: Final = object()
"""How a thing is before the first look at it."""


def _mark(document: Document, watched: Watched) -> object:
    """What is another value, and only then, when that part has changed."""
    match watched.part:
        case Part.STEPS:
            return document.run, document.steps
        case Part.STEP:
            return document.run, document.steps.get(watched.item)  # the result comes with its time
        case Part.CHECKPOINTS:
            latest = document.latest
            return latest.version if latest is not None else 0, document.floor, document.deleted
        case Part.ARTIFACT:
            return (current(document.artifacts.get(watched.item, ())),)
        case _:
            return document.version


@dataclass(slots=True)
class _Seen:
    """The newest version known of a workspace, and when it was last looked at with success."""

    version: int = 0
    looked: float = -VIEW_SECONDS


class Watching:
    """What all watches of one store share, so that many watchers cost as little as one."""

    def __init__(self, shared: Shared, logs: Registry, following: Following) -> None:
        self._shared = shared
        self._logs = logs
        self._following = following
        self._watches: dict[Watch, None] = {}
        self._seen: dict[str, _Seen] = {}
        self._folders: frozenset[str] = frozenset()
        self.timer = shared.timer

    def pace(self, seconds: float) -> float:
        """How long to wait between two looks at everything: all watches together ask the store at
        most ten times a second."""
        requests = len(self._seen) + len(self._folders) // _PAGE
        return max(seconds, requests / _LOOKS_A_SECOND)

    def join(self, watch: Watch, name: str) -> None:
        """Raises LimitExceeded."""
        if name not in self._seen and len(self._seen) >= MAX_WATCHED:
            raise LimitExceeded(
                f"{MAX_WATCHED} workspaces of this store are watched, and that is the most",
                hint="Load a workspace when you need to know how it is.",
            )
        self._seen.setdefault(name, _Seen())
        self._watches[watch] = None
        self._following.listeners[self] = self._committed

    def leave(self, watch: Watch, names: Iterable[str]) -> None:
        """The watch does not watch these any more."""
        for name in names:
            if not any(other.watches(name) for other in self._watches if other is not watch):
                self._seen.pop(name, None)
        if not watch.busy:
            self._watches.pop(watch, None)
        if not self._watches:
            self._following.listeners.pop(self, None)

    async def look(self, names: Iterable[str], fresh: float) -> None:
        """Look at these, but for those that somebody looked at within `fresh` seconds."""
        now = self.timer()
        due = [name for name in names if now - self._seen[name].looked >= fresh]
        for first in range(0, len(due), _AT_ONCE):
            await asyncio.gather(*(self._look(name) for name in due[first : first + _AT_ONCE]))

    async def read(self, name: str) -> None:
        """Tell all watches how it is now. What cannot be read now is looked at again later: nobody
        waits for an answer here."""
        now = self.timer()
        with suppress(SafepointError):
            if name:
                head = await self._logs.open(name).log.durable_head()
                self._tell(name, head.document)
            else:
                self._folders = await self._all_folders()
                for watch in self._watches:
                    watch.told_names(self._folders)
            if name in self._seen:
                self._seen[name].looked = now

    async def _all_folders(self) -> frozenset[str]:
        found: list[str] = []
        while True:
            after = found[-1] if found else ""
            page = await self._shared.objects.list(
                WORKSPACES_FOLDER, after=after, limit=_PAGE, folders=True
            )
            found += page
            if len(page) < _PAGE:
                return frozenset(found)

    async def _look(self, name: str) -> None:
        """One request, unless there is something new: is there a version after the newest known?
        After a long pause that one may have come and been pruned, so the head is asked for."""
        seen, now = self._seen.get(name), self.timer()
        if seen is None:
            return
        if name and now - seen.looked < VIEW_SECONDS:
            with suppress(SafepointError):
                if await self._shared.objects.get(log_key(name, seen.version + 1)) is None:
                    seen.looked = now
                    return
        await self.read(name)

    def _committed(self, log: Log, head: Head) -> None:
        """See Following.listeners."""
        if log.name in self._seen:
            self._tell(log.name, head.document)
        if "" in self._seen:
            folder = encode_name(log.name)
            again = head.version == log.first and folder in self._folders
            if folder not in self._folders:
                self._folders |= {folder}
            for watch in self._watches:
                watch.committed(log.name, turned=head.document.deleted or again)
                watch.told_names(self._folders)

    def _tell(self, name: str, document: Document) -> None:
        seen = self._seen.get(name)
        if seen is not None and document.version >= seen.version:
            seen.version = document.version
            for watch in self._watches:
                watch.told(name, lambda watched: _mark(document, watched))
