"""What follows a commit: the workspace's summary and page, and the page of the whole store."""

from __future__ import annotations

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from safepoint.behind.describe import describe
from safepoint.behind.pruning import AutoPrune
from safepoint.behind.schedule import Behind, Pace
from safepoint.behind.summary import Summary, open_sealed, seal_json, summary_of
from safepoint.crypto.envelope import Random
from safepoint.crypto.storekeys import StoreKeys
from safepoint.errors import InvalidInput
from safepoint.format.document import Document
from safepoint.format.keys import encode_name, page_key, summary_key
from safepoint.listing import Listing
from safepoint.log.log import Head, Log, Shared
from safepoint.objects.base import ObjectStore
from safepoint.values import dataclass

if TYPE_CHECKING:
    from safepoint.behind.root import RootWriter

__all__ = ["Following", "PagesPolicy", "check_pages"]

PagesPolicy: TypeAlias = Literal["full", "counts", "off"]

_REMEMBERED = 1024
_NO_REGIONS: MappingProxyType[str, bytes] = MappingProxyType({})


def check_pages(pages: str) -> None:
    if pages not in get_args(PagesPolicy):
        raise InvalidInput(
            f"pages must be one of {', '.join(get_args(PagesPolicy))}, not {pages!r}",
            hint="Use 'counts' to show no names of steps, labels and people.",
        )


@dataclass(frozen=True, slots=True)
class _Noted:
    """A version to write about, keeping alive neither its log nor the clients' data in it."""

    name: str
    document: Document
    workspace_id: bytes
    state_bytes: int
    pages: bool
    shared: Shared
    log: weakref.ref[Log]

    def summary(self) -> Summary:
        return summary_of(self.name, self.workspace_id, self.document, state_bytes=self.state_bytes)

    async def opened(self) -> Log:
        log = self.log() or Log(self.name, self.shared)
        if log.codec is None:
            await log.head()
        return log


class Following:
    """Writes behind the commits of one open store, at most once in 5 seconds for each object.

    Nothing that it does delays or fails a commit, and nothing that it writes is relied on.
    """

    def __init__(
        self,
        objects: ObjectStore,
        keys: StoreKeys,
        pruning: AutoPrune | None = None,
        *,
        random: Random,
        clock: Callable[[], datetime],
        pages: PagesPolicy,
        pace: Pace,
    ) -> None:
        self._objects = objects
        self._pruning = pruning
        self._keys = keys
        self._random = random
        self._clock = clock
        self._pages = pages
        self._behind = Behind(pace)
        self._noted: OrderedDict[str, _Noted] = OrderedDict()
        self.listeners: dict[object, Callable[[Log, Head], None]] = {}
        """Called, each by its key, with what `committed` is told; they return at once."""

    @cached_property
    def _root(self) -> RootWriter:
        from safepoint.behind.root import RootWriter  # pages can wait: starting up cannot

        return RootWriter(
            self._objects,
            self._keys,
            random=self._random,
            clock=self._clock,
            read=self.read,
            names=self._pages == "full",
        )

    def committed(self, log: Log, head: Head) -> None:
        """Note that `head` is durable now. Returns at once."""
        pages = self._pages != "off"
        self._note(log, head, pages=pages)
        if pages:
            self._behind.note("root", self._write_root)
        if self._pruning is not None:
            self._pruning.committed(log, head)
        for listener in tuple(self.listeners.values()):
            listener(log, head)

    def describe(self, version: int, event: Mapping[str, Any]) -> dict[str, str]:
        """What stands readable beside the record of this version."""
        return describe(self._pages, version, event)

    def rebuild(self, log: Log, head: Head) -> None:
        """Note that the summary of `head` is missing: a reader found that, and writes no pages."""
        self._note(log, head, pages=False, quiet=True)

    def newest(self, name: str) -> Summary | None:
        """Of the newest version noted here and not written yet; None if there is none."""
        noted = self._noted.get(name)
        return noted.summary() if noted else None

    async def read(self, segment: str) -> Summary | None:
        """The stored summary of the workspace in this folder; None if it is missing or damaged."""
        key = summary_key(segment)
        data = await self._objects.get(key)
        return None if data is None else open_sealed(self._keys, key, data, Summary.read)

    def outstanding(self) -> tuple[int, timedelta, int]:
        """How many summaries and pages do not tell of their last commit yet, for how long the
        oldest of them, and how many were given up."""
        count, seconds = self._behind.outstanding()
        return count, timedelta(seconds=seconds), self._behind.given_up

    async def open_approvals(self) -> int | None:
        """See Store.open_approvals."""
        if self._pages == "off":
            return None
        now_ms = int(self._clock().timestamp() * 1000)
        lines = (await self.lines()).values()
        return sum(line.open_approvals(now_ms) for line in lines if not line.deleted)

    async def lines(self) -> dict[str, Summary]:
        """What one read tells of the workspaces that changed last, by folder: a thousand, as they
        were a minute ago or later, without texts, and those that this process changed since."""
        found = await self._root.lines()
        for name, noted in tuple(self._noted.items()):
            found[encode_name(name)] = noted.summary()
        return found

    async def close(self) -> None:
        """Prune and write what is outstanding, for a few seconds at most."""
        if self._pruning is not None:
            await self._pruning.close()
        await self._behind.close()

    def _note(self, log: Log, head: Head, *, pages: bool, quiet: bool = False) -> None:
        known = self._noted.get(log.name)
        if log.codec is None or (known is not None and known.document.version > head.version):
            return
        noted = _Noted(
            name=log.name,
            document=head.document.changed(regions=_NO_REGIONS),
            workspace_id=log.codec.workspace_id,
            state_bytes=len(head.document.state or b""),
            pages=pages or (known is not None and known.pages),
            shared=log.shared,
            log=weakref.ref(log),
        )
        self._noted[log.name] = noted
        self._noted.move_to_end(log.name)
        if len(self._noted) > _REMEMBERED:
            self._noted.popitem(last=False)
        self._behind.note(f"workspace {log.name}", partial(self._write, noted), quiet=quiet)

    async def _write(self, noted: _Noted) -> None:
        """Summary, then page; neither when another process has written about a newer version."""
        mine, segment = noted.summary(), encode_name(noted.name)
        stored = await self.read(segment)
        newer = (
            stored is not None
            and stored.workspace_id == mine.workspace_id
            and stored.version > mine.version
        )
        if not newer:
            if stored != mine:
                key = summary_key(segment)
                sealed = seal_json(self._keys, key, mine.stored(), random=self._random)
                await self._objects.put(key, sealed)
            if noted.document.deleted:
                await self._objects.delete(page_key(segment))
                self._root.update(segment, mine)
            elif noted.pages:
                await self._write_page(noted, segment)
                self._root.update(segment, mine)
        if self._noted.get(mine.name) is noted:
            del self._noted[mine.name]

    async def _write_root(self) -> None:
        for noted in self._noted.values():
            self._root.update(encode_name(noted.name), noted.summary())
        await self._root.write(leaving=self._behind.closing)

    async def _write_page(self, noted: _Noted, segment: str) -> None:
        from safepoint.behind.views import MAX_CHECKPOINTS, workspace_page  # see _root
        from safepoint.pages import render_workspace

        listing = Listing(noted.name, await noted.opened())
        newest = await listing.checkpoints(noted.document, limit=MAX_CHECKPOINTS, cursor=None)

        def render() -> bytes:
            page = workspace_page(
                segment,
                noted.name,
                noted.document,
                newest.items,
                state_bytes=noted.state_bytes,
                more_checkpoints=newest.next_cursor is not None,
                names=self._pages == "full",
                now=self._clock(),
            )
            return render_workspace(page)

        await self._objects.put(page_key(segment), await asyncio.to_thread(render))
