"""Which workspaces a store has: their names, and the list of them with what each is at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import NamedTuple, TypeAlias

from safepoint.behind.following import Following
from safepoint.behind.summary import Summary, summary_of
from safepoint.errors import Damaged, InvalidInput, Unsupported
from safepoint.format.keys import (
    WORKSPACES_FOLDER,
    decode_name,
    generation_of,
    keys_folder,
    newest_generation,
)
from safepoint.listing import MAX_LIMIT, check_limit
from safepoint.log.keys import name_of, open_manifest
from safepoint.log.log import Head, Log, Shared
from safepoint.log.newest import newest_version
from safepoint.log.registry import Registry
from safepoint.model import Page, Progress, WorkspaceInfo, WorkspaceStatus
from safepoint.objects.base import ListsCheaply

__all__ = ["DUE", "Directory", "Visible"]

Visible: TypeAlias = Callable[[str], bool] | None
"""Says of the name of a workspace whether it may be shown; None: every one may."""

DUE = "due"
_PARALLEL_READS = 32
_READ_MISSING = 96


class _Change(NamedTuple):
    """A workspace by its last change: minus the time in milliseconds, and the folder."""

    key: tuple[int, str]
    name: str | None

    @property
    def folder(self) -> str:
        return self.key[1]


class Directory:
    """Lists by summaries: one object for each workspace, not its whole chain.

    Where listing is cheap and exact, a summary counts only if it is of the newest record there is.
    Elsewhere it is taken as it is, unless this process knows better.
    """

    def __init__(
        self,
        shared: Shared,
        logs: Registry,
        following: Following,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._shared = shared
        self._objects = shared.objects
        self._logs = logs
        self._following = following
        self._clock = clock
        self._exact = isinstance(self._objects, ListsCheaply) and self._objects.lists_cheaply

    async def page(
        self,
        prefix: str,
        *,
        status: WorkspaceStatus | str | None,
        limit: int,
        cursor: str | None,
        visible: Visible,
    ) -> Page[WorkspaceInfo]:
        """See Store.workspaces."""
        check_limit(limit)
        if status not in (None, DUE, *WorkspaceStatus):
            raise InvalidInput(
                f"status must be one of {', '.join((*WorkspaceStatus, DUE))}",
                hint="Leave it out for all.",
            )

        def wanted(info: WorkspaceInfo) -> bool:
            return bool(info.due) if status == DUE else status in (None, info.status)

        few = bool(prefix or status or visible)
        found = await self.scan(
            wanted, prefix, limit=limit, after=cursor or "", few=few, visible=visible
        )
        items = tuple(info for _, info in found[:limit])
        return Page(items, found[limit - 1][0] if len(found) > limit else None)

    async def recent(
        self, *, limit: int, cursor: str | None, visible: Visible
    ) -> Page[WorkspaceInfo]:
        """See Store.recent."""
        check_limit(limit)
        after = _changed_at(cursor)
        rest = [
            one
            for one in await self._by_change()
            if (after is None or one.key > after)
            and (visible is None or (one.name is not None and visible(one.name)))
        ]
        infos: list[WorkspaceInfo | None] = []
        for first in range(0, min(limit, len(rest)), _PARALLEL_READS):
            some = rest[first : min(first + _PARALLEL_READS, limit)]
            infos += await asyncio.gather(*(self._info(one.folder, "", visible) for one in some))
        items = tuple(info for info in infos if info is not None)
        if len(rest) <= limit:
            return Page(items)
        last = rest[limit - 1]
        return Page(items, f"{-last.key[0]}.{last.folder}")

    async def recent_names(self) -> tuple[str, ...]:
        """See Store.recent_names."""
        changes = await self._by_change()
        unknown = [one.folder for one in changes if one.name is None]
        named = dict(zip(unknown, await asyncio.gather(*map(self._existing, unknown)), strict=True))
        names = (one.name or named[one.folder] for one in changes)
        return tuple(name for name in names if name is not None)

    async def _by_change(self) -> list[_Change]:
        """The first thousand folders of workspaces, and those of which the root summary tells, the
        latest change first. Where it does not tell of a folder, the folder's own summary does, for
        a hundred of them; of others nothing is known, and they come last."""
        lines, folders = await asyncio.gather(
            self._following.lines(),
            self._objects.list(WORKSPACES_FOLDER, limit=MAX_LIMIT, folders=True),
        )
        if len(folders) < MAX_LIMIT:
            lines = {folder: lines[folder] for folder in folders if folder in lines}
        missing = [folder for folder in folders if folder not in lines]
        for first in range(0, min(len(missing), _READ_MISSING), _PARALLEL_READS):
            some = missing[first : first + _PARALLEL_READS]
            read = await asyncio.gather(*map(self._following.read, some))
            lines |= {folder: one for folder, one in zip(some, read, strict=True) if one}
        known = [_Change((-one.updated_ms, folder), one.name) for folder, one in lines.items()]
        deleted = {folder for folder, one in lines.items() if one.deleted}
        known += [_Change((0, folder), _plain(folder)) for folder in missing if folder not in lines]
        return sorted(one for one in known if one.folder not in deleted)

    async def scan(
        self,
        wanted: Callable[[WorkspaceInfo], bool],
        prefix: str = "",
        *,
        limit: int,
        after: str = "",
        few: bool = True,
        visible: Visible = None,
    ) -> list[tuple[str, WorkspaceInfo]]:
        """Folders behind `after` and what is in them, as far as `wanted` and of names that are
        `visible`: more than `limit` when there are more. `few` says that few of those that are
        looked at will be."""
        at_once = MAX_LIMIT if few else limit + 1
        found: list[tuple[str, WorkspaceInfo]] = []
        while len(found) <= limit:
            folders = await self._objects.list(
                WORKSPACES_FOLDER, after=after, limit=at_once, folders=True
            )
            for first in range(0, len(folders), _PARALLEL_READS):
                some = folders[first : first + _PARALLEL_READS]
                infos = await asyncio.gather(
                    *(self._info(folder, prefix, visible) for folder in some)
                )
                found += [
                    (folder, info)
                    for folder, info in zip(some, infos, strict=True)
                    if info is not None and wanted(info)
                ]
                if len(found) > limit:
                    break
            if len(folders) < at_once:
                break
            after = folders[-1]
        return found

    async def names(self) -> AsyncIterator[str]:
        """See Store.names."""
        after = ""
        while folders := await self._objects.list(WORKSPACES_FOLDER, after=after, folders=True):
            for first in range(0, len(folders), _PARALLEL_READS):
                some = folders[first : first + _PARALLEL_READS]
                for name in await asyncio.gather(*(self._existing(folder) for folder in some)):
                    if name is not None:
                        yield name
            after = folders[-1]

    async def closest(self, name: str, limit: int, visible: Visible) -> tuple[str, ...]:
        """See Store.closest_names."""
        known: dict[str, str] = {}
        after = ""
        while folders := await self._objects.list(WORKSPACES_FOLDER, after=after, folders=True):
            for folder in folders:
                found = await self._name(folder)
                if found is not None and (not visible or visible(found)):
                    known[found] = folder
            after = folders[-1]
        names = get_close_matches(name, known, n=2 * limit, cutoff=0.4)
        there = await asyncio.gather(*(self._existing(known[one]) for one in names))
        return tuple(one for one in there if one is not None)[:limit]

    async def _info(self, folder: str, prefix: str, visible: Visible) -> WorkspaceInfo | None:
        try:
            name = decode_name(folder)
        except InvalidInput:
            return None
        if name is not None and not (name.startswith(prefix) and (not visible or visible(name))):
            return None
        try:
            info = await self._read(folder, name, prefix)
            return info if info is None or not visible or visible(info.name) else None
        except (Damaged, Unsupported) as error:  # told as its status: it must not hide the others
            if name is None and visible:
                return None
            at = datetime.fromtimestamp(0, UTC)
            status = WorkspaceStatus.DAMAGED
            return WorkspaceInfo(
                name or folder, 0, 0, status, at, None, str(error), None, Progress(), state_bytes=0
            )

    async def _read(self, folder: str, name: str | None, prefix: str) -> WorkspaceInfo | None:
        now_ms = int(self._clock().timestamp() * 1000)
        known = None if name is None else self._logs.peek(name).log
        if self._exact and known is not None and known.known() is not None:
            summary: Summary | None = _summary_of(known, await known.head())
        else:
            summary = await self._summary(folder, known)
        if summary is None or not summary.name.startswith(prefix) or summary.deleted:
            return None
        return summary.info(now_ms)

    async def _summary(self, folder: str, known: Log | None) -> Summary | None:
        """The stored one if it will do, else one of the head; None when there is no version."""
        newest = (
            await newest_version(self._objects, f"{WORKSPACES_FOLDER}{folder}/log/")
            if self._exact
            else None
        )
        stored = await self._following.read(folder)
        if self._exact:
            if stored is not None and stored.version == newest and await self._is_fresh(stored):
                return stored
        else:
            here = self._known(stored.name if stored is not None else None, known)
            if here is not None and (stored is None or here.version > stored.version):
                return here
            if stored is not None:
                return stored
        name = await self._name(folder)
        return None if name is None else await self._rebuilt(name)

    async def _is_fresh(self, stored: Summary) -> bool:
        """Whether this user has seen nothing newer: else the head is read, which says so."""
        seen = await self._shared.seen.version(stored.name)
        return stored.version >= seen

    def _known(self, name: str | None, log: Log | None) -> Summary | None:
        """What this process knows of a workspace without asking the store, the newest of it."""
        if log is None and name is not None:
            log = self._logs.peek(name).log
        if log is None:
            return None
        noted, head = self._following.newest(log.name), log.known()
        if head is None or (noted is not None and noted.version >= head.version):
            return noted
        return _summary_of(log, head)

    async def _rebuilt(self, name: str) -> Summary | None:
        log = self._logs.peek(name).log
        head = await log.head()
        summary = _summary_of(log, head)
        if summary is not None:
            self._following.rebuild(log, head)
        return summary

    async def _existing(self, folder: str) -> str | None:
        """The workspace's name, None for a folder that is not a workspace's or of one that was
        deleted. That takes a list of its keys: only what was changed since has later ones."""
        name = await self._name(folder)
        if name is None:
            return None
        key = newest_generation(await self._objects.list(keys_folder(name)))
        if key is None or generation_of(key) == 1:
            return name
        data = await self._objects.get(key)
        if data is None:
            return name
        keys = open_manifest(self._shared.keys, name, generation_of(key), data)
        return None if keys.deleted is not None else name

    async def _name(self, folder: str) -> str | None:
        """The workspace's name, None for a folder that is not a workspace's."""
        try:
            name = decode_name(folder)
        except InvalidInput:
            return None
        if name is not None:
            return name
        keys = await self._objects.list(f"{WORKSPACES_FOLDER}{folder}/keys/")
        key = newest_generation(keys)
        data = await self._objects.get(key) if key else None
        return None if key is None or data is None else name_of(self._shared.keys, key, data)


def _plain(folder: str) -> str | None:
    """The name that the folder itself tells."""
    try:
        return decode_name(folder)
    except InvalidInput:
        return None


def _changed_at(cursor: str | None) -> tuple[int, str] | None:
    """The key in a cursor of `recent`."""
    if cursor is None:
        return None
    at, dot, folder = cursor.partition(".")
    if at.isascii() and at.isdigit() and len(at) < 16 and dot:
        return -int(at), folder
    raise InvalidInput(
        "this cursor is not one that a page gave", hint="Leave the cursor out for the first page."
    )


def _summary_of(log: Log, head: Head) -> Summary | None:
    if not head.exists or log.codec is None:
        return None
    size = len(head.document.state or b"")
    return summary_of(log.name, log.codec.workspace_id, head.document, state_bytes=size)
