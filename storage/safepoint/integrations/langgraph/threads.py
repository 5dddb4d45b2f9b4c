"""All threads of a store, on the store's event loop; values stay serialised here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from safepoint.errors import Conflict, InvalidInput, NotFound
from safepoint.integrations.langgraph.commands import AddWrites, Copy, Operation, Put
from safepoint.integrations.langgraph.packed import Blob, NewWrite
from safepoint.integrations.langgraph.thread import Habit, Thread
from safepoint.integrations.langgraph.upkeep import forget_runs, keep_newest
from safepoint.integrations.langgraph.view import Found, Raw, View
from safepoint.store import Store

__all__ = ["Threads"]

_COPIED_AT_ONCE = 8


class Threads:
    """A thread is the workspace of its id, after `prefix`. `metadata` unpacks what `Put` packed."""

    def __init__(
        self, store: Store, prefix: str, metadata: Callable[[Any], Mapping[str, Any]]
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._metadata = metadata
        self._habit = Habit()
        self._busy: dict[str, Thread] = {}

    async def get(self, thread: str, ns: str, id_: str | None) -> Raw | None:
        """The checkpoint, or without an id the newest of the namespace."""
        view = await self._view(thread)
        if view is None:
            return None
        found = await (view.checkpoint(ns, id_) if id_ else view.newest(ns))
        return None if found is None or found.hidden else await view.raw(found)

    async def checkpoints(
        self,
        thread: str | None,
        ns: str | None,
        id_: str | None,
        before: str | None,
        match: Callable[[Any], bool],
    ) -> AsyncIterator[tuple[str, Raw]]:
        """Checkpoints whose metadata match, greatest id first, each with its thread."""
        chosen = [thread] if thread is not None else [one async for one in self._all()]
        ahead: dict[str, tuple[Found, View, AsyncIterator[Found]]] = {}
        for one in chosen:
            if (view := await self._view(one)) is not None:
                await _go_on(ahead, one, view, view.checkpoints(ns, before=before))
        while ahead:
            one = max(ahead, key=lambda name: ahead[name][0].id)
            found, view, following = ahead.pop(one)
            if id_ in (None, found.id) and match(found.metadata):
                try:
                    yield one, await view.raw(found)
                except NotFound as gone:
                    if gone.code != "pruned":
                        raise
            if id_ is None or found.id > id_:
                await _go_on(ahead, one, view, following)

    async def commit(self, thread: str, operation: Operation, size: int) -> Any:
        """See Thread.commit."""
        return await self._open(thread).commit(operation, size=size)

    async def settled(self) -> None:
        """When no commit is under way."""
        while busy := list(self._busy.values()):
            await asyncio.gather(*(thread.idle() for thread in busy))

    async def history(
        self, thread: str, ns: str, id_: str | None, channels: Sequence[str]
    ) -> dict[str, tuple[list[NewWrite], Blob | None]]:
        """For each channel the writes along the parents, oldest first, since the nearest one that
        has a value, and that value."""
        found_writes: dict[str, list[NewWrite]] = {name: [] for name in channels}
        seeds: dict[str, Blob] = {}
        view, rest = await self._view(thread), set(channels)
        target = None
        if view is not None:
            target = await (view.checkpoint(ns, id_) if id_ else view.newest(ns))
        parent, seen = (target.parent if target is not None else None), set[str]()
        while view is not None and rest and parent is not None and parent not in seen:
            seen.add(parent)
            above = await view.checkpoint(ns, parent)
            if above is None and view.forked:
                raise NotFound(
                    f"thread {thread!r} is a fork without the history that "
                    f"{', '.join(sorted(rest))} is rebuilt from",
                    hint="Delete it, and make a copy with copy_thread instead.",
                    code="history_not_forked",
                )
            if above is None:
                break
            raw = await view.raw(above, rest)
            for write in reversed(raw.writes):
                found_writes[write.channel].append(write)
            seeds |= raw.values
            rest -= raw.values.keys()
            parent = above.parent
        return {name: (found_writes[name][::-1], seeds.get(name)) for name in channels}

    async def delete(self, thread: str) -> None:
        """For good; see Store.delete. Nothing happens if there is no such thread."""
        try:
            await self._store.delete(self._name(thread))
        except NotFound as none:
            if none.code != "workspace_not_found":
                raise

    async def delete_for_runs(self, runs: Iterable[str]) -> None:
        """In all threads: each is looked through."""
        wanted = frozenset(runs)
        if not wanted:
            return
        async for thread in self._all():
            await self._rewrite(thread, lambda view: forget_runs(view, wanted, self._metadata))

    async def prune(self, threads: Sequence[str], strategy: str) -> None:
        if strategy not in ("keep_latest", "delete"):
            raise InvalidInput(
                f"there is no strategy {strategy!r}", hint="It is 'keep_latest' or 'delete'."
            )
        for thread in threads:
            if strategy == "delete":
                await self.delete(thread)
            else:
                await self._rewrite(thread, lambda view: keep_newest(view, self._metadata))

    async def copy(self, source: str, target: str) -> None:
        """Every checkpoint and write, oldest first. Repeat it if it fails or is stopped.

        Raises:
            NotFound: there is no source thread.
            Conflict: the target has checkpoints that the source does not have.
        """
        view = await self._view(source)
        if view is None:
            raise NotFound(
                f"there is no thread {source!r} to copy",
                hint="Its first checkpoint makes it.",
                code="workspace_not_found",
            )
        known = sorted((await view.all())[0], key=lambda found: (found.version, found.id))
        there = await self._view(target)
        present = {found.key for found in (await there.all())[0]} if there is not None else set()
        if present - {found.key for found in known}:
            raise Conflict(
                f"thread {target!r} has checkpoints of its own; nothing was copied",
                hint="Copy to a new thread, or delete this one first.",
                code="thread_exists",
            )
        into = self._open(target)
        todo = [found for found in known if found.key not in present]
        for first in range(0, len(todo), _COPIED_AT_ONCE):
            raws = [await view.raw(one) for one in todo[first : first + _COPIED_AT_ONCE]]
            copies = (_copy_of(raw) for raw in raws)
            await asyncio.gather(*(into.commit(copy, size=size) for copy, size in copies))

    async def _rewrite(self, thread: str, plan: Callable[[View], Any]) -> None:
        """Until what was planned is true of the thread as it is."""
        while (view := await self._view(thread)) is not None:
            operation = await plan(view)
            if operation is None or await self._open(thread).commit(operation, alone=True):
                return

    async def _view(self, thread: str) -> View | None:
        """The thread as it is now, durable; None if there is no such workspace."""
        log = self._store.open_log(self._name(thread)).log
        head = await log.durable_head()
        return View(log, head) if head.exists else None

    async def _all(self) -> AsyncIterator[str]:
        async for name in self._store.names():
            if name.startswith(self._prefix) and len(name) > len(self._prefix):
                yield name[len(self._prefix) :]

    def _open(self, thread: str) -> Thread:
        name = self._name(thread)
        opened = self._busy.get(name)
        if opened is None:
            opened = self._busy[name] = Thread(
                self._store.open_log(name),
                self._store.actor,
                self._habit,
                lambda: self._forget(name),
            )
        return opened

    def _forget(self, name: str) -> None:
        self._busy.pop(name, None)

    def _name(self, thread: str) -> str:
        return self._store.workspace(self._prefix + thread).name


async def _go_on(
    ahead: dict[str, tuple[Found, View, AsyncIterator[Found]]],
    thread: str,
    view: View,
    following: AsyncIterator[Found],
) -> None:
    async for found in following:
        ahead[thread] = (found, view, following)
        return


def _copy_of(raw: Raw) -> tuple[Operation, int]:
    """What puts the checkpoint and its writes into another thread, and its size in bytes."""
    found = raw.found
    copy = Copy(
        Put(
            found.ns, found.id, found.parent, raw.body, found.metadata, raw.versions, raw.values,
            hidden=found.hidden,
        ),
        AddWrites(found.ns, found.id, raw.writes),
    )  # fmt: skip
    blobs = [*raw.values.values(), *(write.blob for write in raw.writes)]
    return copy, sum(len(blob.data) for blob in blobs)
