"""A store: the root of everything at one URL, unlocked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from safepoint.actors import checked_actor
from safepoint.address import open_place
from safepoint.approvals import Approvals
from safepoint.behind.following import Following, PagesPolicy, check_pages
from safepoint.behind.schedule import Pace
from safepoint.crypto.keyring import KeySlot, Passphrase, Unlock, add_slot, slots_of
from safepoint.crypto.storekeys import StoreKeys
from safepoint.deletion import delete_workspace
from safepoint.directory import Directory, Visible
from safepoint.errors import InvalidInput, NotFound
from safepoint.handle import Handle, check_name
from safepoint.inbox import inbox_page
from safepoint.keyfile import default_seen_folder, make_key_file
from safepoint.keysource import as_kms_key
from safepoint.log.cache import DocumentCache
from safepoint.log.commit import Patience
from safepoint.log.log import Shared
from safepoint.log.registry import OpenLog, Registry
from safepoint.log.seen import SeenHeads
from safepoint.log.transitions.base import check_text
from safepoint.manifest import Opened, change_slots, read_checked
from safepoint.model import (
    Actor,
    Approval,
    Deleted,
    Figures,
    Limits,
    Page,
    VerifyReport,
    WorkspaceInfo,
    WorkspaceStatus,
)
from safepoint.objects.base import CountsRepeats, ObjectStore
from safepoint.observer import Guarded, Observer
from safepoint.opening import following, memory_of, source_of, unlock, watched
from safepoint.workspace import Workspace

if TYPE_CHECKING:
    from safepoint.crypto.kms import KmsKey
    from safepoint.retention import StoreRetention
    from safepoint.rotation import Keys
    from safepoint.tokens import Tokens
    from safepoint.verify import OnProgress
    from safepoint.watching import Watch, Watching

__all__ = ["Store"]

CACHE_BYTES = 256 * 1024 * 1024


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """Opened by `Store.open`; gives workspaces. Safe to share between tasks of one event loop."""

    def __init__(
        self,
        shared: Shared,
        following: Following,
        opened: Opened,
        *,
        actor: Actor,
        limits: Limits,
        clock: Callable[[], datetime],
        patience: Patience,
    ) -> None:
        self._shared = shared
        self._opened = opened
        self._actor = actor
        self._limits = limits
        self._clock = clock
        self._logs = Registry(
            shared,
            limits=limits,
            clock=clock,
            patience=patience,
            max_bytes=shared.cache.max_bytes // 2,
        )
        self._directory = Directory(shared, self._logs, following, clock=clock)
        self._following = following
        self._watching: Watching | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str | Path | ObjectStore,
        *,
        key_file: Path | None = None,
        passphrase: str | None = None,
        kms_key: str | KmsKey | None = None,
        actor: Actor | None = None,
        limits: Limits | None = None,
        cache_bytes: int = CACHE_BYTES,
        create: bool = True,
        clock: Callable[[], datetime] = _utc_now,
        seen: Path | None = None,
        patience: Patience | None = None,
        pages: PagesPolicy = "counts",
        pace: Pace | None = None,
        prune: bool = True,
        observer: Observer | None = None,
    ) -> AsyncIterator[Store]:
        """Open the store at `url`: `s3://bucket/prefix`, `file:///…`, a path, `memory://`, or any
        ObjectStore.

        A store that does not exist is made, unless `create` is false. It opens with `passphrase`,
        `key_file` or `kms_key` (the ARN of a key of AWS KMS), or without any of them with the
        user's default key file or else the KMS key that the store names; for a new store a missing
        key file is made (mode 0600). A memory store makes up a key of its own when none is given.
        A store in S3 needs a key to be given, and is refused unless its bucket enforces conditional
        puts. `seen` is the folder that remembers the newest versions seen.
        `pages` says what the `index.html` pages in the store show, which are not encrypted: counts
        and times, in `full` also the names of steps, labels and people, or `off`: none is written.
        `prune`: whether old versions are pruned behind commits where there is a policy. `observer`
        is told of what the store does.

        Raises:
            WrongKey: the store is there, this key does not open it.
            NotFound: there is no store, and `create` is false.
            Unavailable: the place cannot be reached, read or written.
            Damaged, Unsupported: its manifest is not what was written, or of a newer format.
        """
        check_pages(pages)
        patience = patience or Patience()
        actor = checked_actor(actor, limits := limits or Limits())
        observer = None if observer is None else Guarded(observer)
        place = watched(await open_place(url, create=create), observer)
        folder = seen or (default_seen_folder() if place.remembered else None)
        async with AsyncExitStack() as leaving:
            leaving.push_async_callback((objects := place.objects).close)
            source = source_of(place, key_file, passphrase, kms_key)
            keys = (opened := await unlock(place, source, create=create)).keys
            heads = SeenHeads(folder / memory_of(objects.url, keys) if folder else None)
            leaving.push_async_callback(heads.close)
            pace = pace or Pace()
            behind = following(objects, keys, limits, clock, patience, pages, pace, prune=prune)
            leaving.push_async_callback(behind.close)
            told = (behind.committed, behind.describe, patience.timer, observer)
            shared = Shared(objects, keys, DocumentCache(cache_bytes), heads, os.urandom, *told)
            yield cls(
                shared, behind, opened,
                actor=actor, limits=limits, clock=clock, patience=patience,
            )  # fmt: skip

    @property
    def url(self) -> str:
        return self._shared.objects.url

    @property
    def id(self) -> str:
        """The store's own id in hex; a copy of the store has the same."""
        return self._shared.keys.store_id.hex()

    @property
    def objects(self) -> ObjectStore:
        """The place itself, for checks and copies."""
        return self._shared.objects

    @property
    def actor(self) -> Actor:
        """Who changes are attributed to, where nobody else is named."""
        return self._actor

    def now(self) -> datetime:
        """The time by this store's clock."""
        return self._clock()

    @property
    def shared(self) -> Shared:
        """Place, keys and caches, for this library's modules that work below workspaces."""
        return self._shared

    def open_log(self, name: str) -> OpenLog:
        """The log of a workspace and its committer, for the same modules."""
        return self._logs.open(name)

    def workspace(self, name: str, *, actor: Actor | None = None) -> Workspace:
        """The workspace of this name, without asking the store: it need not exist yet.

        `actor` is who its changes are attributed to; by default the actor of the store.
        """
        check_name(name, self._limits.name_chars)
        actor = self._actor if actor is None else checked_actor(actor, self._limits)
        return Workspace(self._handle(name, actor))

    async def workspaces(
        self,
        prefix: str = "",
        *,
        status: WorkspaceStatus | str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        visible: Visible = None,
    ) -> Page[WorkspaceInfo]:
        """Workspaces whose name starts with `prefix`, in the order of their keys. With the status
        `due` those that somebody should take up now: `WorkspaceInfo.due` says why. `visible` says
        of a name whether it may be shown; what may not leaves no trace, not in cursors either.

        On local disk and in memory each is as of a version no older than this call. In S3 it costs
        one read for each workspace, of a summary that follows its commits: what other processes
        did in the last seconds may be missing, and, when a writer was killed, what it did in its
        last seconds, until the workspace's next commit. `Workspace.load` is exact everywhere.
        """
        return await self._directory.page(
            prefix, status=status, limit=limit, cursor=cursor, visible=visible
        )

    async def recent(
        self, *, limit: int = 50, cursor: str | None = None, visible: Visible = None
    ) -> Page[WorkspaceInfo]:
        """Workspaces by their last change, the latest first. The order follows changes of other
        processes within a minute or so; each line is as exact as in `workspaces`. Of more than a
        thousand workspaces, those that did not change lately may be missing."""
        return await self._directory.recent(limit=limit, cursor=cursor, visible=visible)

    async def recent_names(self) -> tuple[str, ...]:
        """All names that `recent` pages through, for two requests."""
        return await self._directory.recent_names()

    def watch(
        self, interval: timedelta = timedelta(seconds=5), *, visible: Visible = None
    ) -> Watch:
        """Tells what changes: `async with store.watch() as watch`, see `Watch.add`. Changes by
        other processes are looked for once an `interval`, by one request for each workspace. Of
        names that are not `visible` nothing is told."""
        from safepoint.watching import Watch, Watching  # as below

        if self._watching is None:
            self._watching = Watching(self._shared, self._logs, self._following)
        return Watch(self._watching, interval, visible)

    async def inbox(
        self, *, limit: int = 50, cursor: str | None = None, visible: Visible = None
    ) -> Page[Approval]:
        """The questions that are open, of all workspaces in the order of their keys, without
        their subjects. What `workspaces` says of its exactness and `visible` holds here too."""
        return await inbox_page(
            self._directory,
            lambda name: Approvals(self._handle(name, self._actor)),
            limit=limit,
            cursor=cursor,
            visible=visible,
        )

    async def open_approvals(self) -> int | None:
        """How many questions are open, as the page of the store counts them: in the workspaces that
        changed last, read from one object, which follows commits by some seconds. None where no
        pages are written."""
        return await self._following.open_approvals()

    def figures(self) -> Figures:
        """What this open store comes to, in this process and at this moment. Reads nothing."""
        shared, place = self._shared, self.objects
        behind, lag, given_up = self._following.outstanding()
        return Figures(
            cache_hits=shared.cache.hits,
            cache_misses=shared.cache.misses,
            cache_bytes=shared.cache.bytes,
            cache_limit=shared.cache.max_bytes,
            behind=behind,
            lag=lag,
            given_up=given_up,
            repeats=place.repeats if isinstance(place, CountsRepeats) else 0,
        )

    def names(self) -> AsyncIterator[str]:
        """The names of all workspaces, in the order of their keys."""
        return self._directory.names()

    async def closest_names(
        self, name: str, limit: int = 3, *, visible: Visible = None
    ) -> tuple[str, ...]:
        """The existing names most like `name`, best first; of those that are `visible`."""
        return await self._directory.closest(name, limit, visible)

    async def delete(self, name: str) -> Deleted:
        """Delete the workspace for good: nobody can read it any more, here or in a copy that was
        made without its manifests.

        Its last version is a commit like others: a writer that comes later, in whatever process,
        finds the workspace gone. Then its data keys are destroyed, then its records and artifacts
        are removed. A workspace that is begun under this name later is another one, with other
        keys; its versions and runs count on from these. Repeat it if it fails or is stopped.
        One that is damaged and does not open is deleted in the same way.

        Raises:
            NotFound: there never was such a workspace.
        """
        self.workspace(name)  # refuses what cannot be a name
        return await delete_workspace(self._handle(name, self._actor))

    async def slots(self) -> tuple[KeySlot, ...]:
        """The ways to open this store."""
        _, body = await read_checked(self.objects, self._shared.keys)
        return slots_of(body)

    @property
    def keys(self) -> Keys:
        """Its data keys and its store key, and how they are replaced."""
        from safepoint.rotation import Keys  # few processes use it, and all would start later

        handle = partial(self._handle, actor=self._actor)
        return Keys(self._shared, self._opened, handle, now=self._clock)

    @property
    def tokens(self) -> Tokens:
        """Who may use a server of this store, by bearer tokens."""
        from safepoint.tokens import Tokens  # as above

        return Tokens(self._shared, self._clock)

    @property
    def retention(self) -> StoreRetention:
        """What workspaces without a policy of their own keep, and pruning many of them."""
        from safepoint.retention import StoreRetention  # as above

        by_name = partial(self._handle, actor=self._actor)
        return StoreRetention(self._shared, self.names, by_name)

    async def add_passphrase_slot(self, passphrase: str, label: str = "") -> KeySlot:
        """Let `passphrase` open the store too; no data is touched."""
        return await self._add_slot(Passphrase(passphrase).normal(), label)

    async def add_key_file_slot(self, path: Path, label: str = "") -> KeySlot:
        """Let a key file open the store too; it is made if it does not exist."""
        key = await asyncio.to_thread(make_key_file, path, random=os.urandom)
        return await self._add_slot(key, label)

    async def add_kms_slot(self, key: str | KmsKey, label: str = "") -> KeySlot:
        """Let whoever may use this key of AWS KMS (its ARN, or a KmsKey) open the store too."""
        kms_key = await asyncio.to_thread(as_kms_key, key)
        return await self._add_slot(kms_key, label or kms_key.arn or "")

    async def remove_slot(self, slot_id: str) -> None:
        """Raises NotFound, or InvalidInput for the last slot: nothing would open the store."""

        def without(slots: list[dict[str, object]]) -> list[dict[str, object]]:
            rest = [slot for slot in slots if slot["id"] != slot_id]
            if len(rest) == len(slots):
                raise NotFound(
                    f"there is no key slot {slot_id!r}", hint="`safepoint keys list` shows them."
                )
            if not rest:
                raise InvalidInput(
                    "the last key slot cannot be removed: nothing would open the store",
                    hint="Add another one first, with `safepoint keys add`.",
                )
            return rest

        await change_slots(self.objects, self._shared.keys, without)

    async def verify(
        self, *names: str, deep: bool = False, on_progress: OnProgress | None = None
    ) -> VerifyReport:
        """Check these workspaces, or without names the store itself and all that is in it; see
        Workspace.verify."""
        from safepoint.verify import verify_store  # as above

        return await verify_store(self._shared, names, deep=deep, on_progress=on_progress)

    def _handle(self, name: str, actor: Actor) -> Handle:
        return Handle(
            name,
            self._logs.open(name),
            actor,
            self._limits,
            self._clock,
            lambda other: self._handle(other, actor),
        )

    async def _add_slot(self, unlock: Unlock, label: str) -> KeySlot:
        keys: StoreKeys = self._shared.keys
        check_text(label, "label", limit=self._limits.label_chars, unit="characters")
        at = self._clock().isoformat(timespec="seconds")
        slot = await asyncio.to_thread(
            add_slot, unlock, keys.store_key, keys.store_id, label=label, at=at, random=os.urandom
        )
        await change_slots(self.objects, keys, lambda slots: [*slots, slot])
        return slots_of({"slots": [slot]})[0]
