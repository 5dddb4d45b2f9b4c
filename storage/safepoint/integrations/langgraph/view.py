"""A thread as it was at one moment: finding checkpoints, reading them, in order, along parents."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from safepoint.errors import Damaged, NotFound
from safepoint.format.document import Document
from safepoint.integrations.langgraph.index import (
    Held,
    Index,
    Key,
    Line,
    Page,
    Version,
    index_of,
    lines_of,
    space_versions,
)
from safepoint.integrations.langgraph.packed import Blob, NewWrite
from safepoint.log.log import Head, Log
from safepoint.values import dataclass

__all__ = ["Found", "Raw", "View"]


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint, `version` is the one that holds it; `versions` all that hold writes to it."""

    ns: str
    id: str
    parent: str | None
    metadata: Any
    version: int
    versions: tuple[int, ...]
    hidden: bool

    @property
    def key(self) -> Key:
        return (self.ns, self.id)


@dataclass(frozen=True, slots=True)
class Raw:
    """A checkpoint with everything that belongs to it, still serialised; writes in order."""

    found: Found
    body: Any
    versions: dict[str, Version | None]
    values: dict[str, Blob]
    writes: tuple[NewWrite, ...]


class View:
    """Reads at `head`, whatever is committed meanwhile."""

    def __init__(self, log: Log, head: Head) -> None:
        self._log = log
        self.version = head.version
        self._head = head.document
        self.index = index_of(head.document)
        self.forked = head.document.origin is not None
        self._read: dict[int, tuple[Document, Index]] = {head.version: (head.document, self.index)}
        self._pages: dict[int, list[Line]] = {}

    async def checkpoint(self, ns: str, id_: str) -> Found | None:
        """The checkpoint of this id, hidden or not."""
        lines = self._of_head() if self._may_have(id_) else []
        lines = [line for line in lines if line.key == (ns, id_)]
        for page in self.index.pages:
            if page.first <= id_ <= page.last:
                lines += [line for line in await self._page(page) if line.key == (ns, id_)]
        return _found(lines)

    async def newest(self, ns: str) -> Found | None:
        """The checkpoint with the greatest id of a namespace."""
        versions = space_versions(self.index.spaces, ns)
        indexes = [self.index, *[(await self._at(version))[1] for version in versions]]
        own = {held.id for index in indexes for held in index.held if held.ns == ns}
        for id_ in sorted(own, reverse=True):
            found = await self.checkpoint(ns, id_)
            if found is not None and not found.hidden:
                return found
        return None

    async def checkpoints(
        self, ns: str | None = None, *, before: str | None = None
    ) -> AsyncIterator[Found]:
        """Those that are not hidden, of one namespace or of all, greatest id first."""
        pages = sorted(
            (page for page in self.index.pages if before is None or page.first < before),
            key=lambda page: page.last,
        )
        known: dict[Key, list[Line]] = {}
        _collect(known, self._of_head())
        while known or pages:
            top = max(known, key=lambda key: (key[1], key[0]), default=None)
            if pages and (top is None or pages[-1].last >= top[1]):
                _collect(known, await self._page(pages.pop()))
                continue
            assert top is not None  # noqa: S101 - something is left
            found = _found(known.pop(top))
            if found is None or found.hidden:
                continue
            if ns in (None, found.ns) and (before is None or found.id < before):
                yield found

    async def all(self) -> tuple[list[Found], list[Line]]:
        """Every checkpoint, hidden ones too, and the lines of writes that have no checkpoint."""
        known: dict[Key, list[Line]] = {}
        _collect(known, self._of_head())
        for page in self.index.pages:
            _collect(known, await self._page(page))
        found = {key: _found(lines) for key, lines in known.items()}
        without = [line for key, lines in known.items() if found[key] is None for line in lines]
        return [one for one in found.values() if one is not None], without

    async def raw(self, found: Found, channels: Iterable[str] | None = None) -> Raw:
        """All of a checkpoint, or what concerns some channels. Raises NotFound `pruned` when
        retention took the version that held it."""
        wanted = None if channels is None else frozenset(channels)
        document, held = await self._held(found.version, found.key)
        values = {
            name: Blob(channel.kind, document.regions[channel.region])
            for name, channel in held.channels.items()
            if channel.region and (wanted is None or name in wanted)
        }
        writes: dict[tuple[str, int], NewWrite] = {}
        for version in found.versions:
            document, part = await self._held(version, found.key)
            for write in part.writes:
                number = (write.task, write.idx)
                if write.idx < 0 or number not in writes:
                    blob = Blob(write.kind, document.regions[write.region])
                    writes[number] = NewWrite(
                        write.task, write.path, write.idx, write.channel, blob
                    )
        ordered = sorted(writes.values(), key=lambda write: (write.path, write.task, write.idx))
        return Raw(
            found=found,
            body=held.body,
            versions={name: channel.version for name, channel in held.channels.items()},
            values=values,
            writes=tuple(w for w in ordered if wanted is None or w.channel in wanted),
        )

    async def _held(self, version: int, key: Key) -> tuple[Document, Held]:
        document, index = await self._at(version)
        for held in index.held:
            if held.key == key:
                return document, held
        raise self._broken(version, f"no checkpoint {key[1]}")

    async def _at(self, version: int) -> tuple[Document, Index]:
        read = self._read.get(version)
        if read is None:
            document = await self._log.document(version, self._head)
            if len(self._read) > _KEPT_DOCUMENTS:
                del self._read[next(one for one in self._read if one != self.version)]
            read = self._read[version] = (document, index_of(document))
        return read

    def _may_have(self, id_: str) -> bool:
        """A quick look, so that the usual case need not read the trail."""
        return id_.encode() in self.index.trail or any(held.id == id_ for held in self.index.held)

    def _of_head(self) -> list[Line]:
        lines = self._pages.get(self.version)
        if lines is None:
            lines = lines_of(self.index.trail)
            lines += [Line.of(held, self.version) for held in self.index.held]
            self._pages[self.version] = lines
        return lines

    async def _page(self, page: Page) -> list[Line]:
        """The lines of an earlier trail; none when retention took the version that held them."""
        lines = self._pages.get(page.version)
        if lines is None:
            try:
                _, index = await self._at(page.version)
            except NotFound as gone:
                if gone.code != "pruned":
                    raise
                index = Index()
            lines = self._pages[page.version] = lines_of(index.trail)
        return lines

    def _broken(self, version: int, what: str) -> Damaged:
        return Damaged(
            f"version {version} of workspace {self._log.name!r} holds {what}, though it should",
            hint="Run `safepoint verify`.",
            code="broken_index",
        )


_KEPT_DOCUMENTS = 64


def _collect(known: dict[Key, list[Line]], lines: Iterable[Line]) -> None:
    for line in lines:
        known.setdefault(line.key, []).append(line)


def _found(lines: list[Line]) -> Found | None:
    """What these lines of one checkpoint come to; writes alone are no checkpoint."""
    whole = max((line for line in lines if not line.loose), key=_by_version, default=None)
    if whole is None:
        return None
    versions = tuple(sorted({line.version for line in lines}))
    return Found(
        whole.ns, whole.id, whole.parent, whole.metadata, whole.version, versions, whole.hidden
    )


def _by_version(line: Line) -> int:
    return line.version
