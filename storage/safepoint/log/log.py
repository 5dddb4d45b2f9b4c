"""Reading one workspace's log: the head, any version's document, any record.

The documents on the head's chain are exactly the bases of the next commits: they stay in memory,
and of other versions the records. A warm reader asks for the version after its head: not there, and
what it has is current.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from safepoint.errors import Damaged, NotFound
from safepoint.format.document import EMPTY, Document
from safepoint.format.keys import (
    chain_of,
    keys_folder,
    keys_key,
    log_folder,
    log_key,
)
from safepoint.format.record import NO_PREVIOUS, Record, is_torn
from safepoint.format.versions import is_pruned
from safepoint.log.codec import Codec
from safepoint.log.keys import Tombstone, WorkspaceKeys
from safepoint.log.lost import LOST_VERSION, REPAIR, open_any, open_record, repair_hint
from safepoint.log.manifests import make_durable, newest_keys
from safepoint.log.newest import newest_version
from safepoint.log.pruned import pruned_error
from safepoint.log.shared import LARGE_BYTES, VIEW_SECONDS, Head, Shared, off_loop
from safepoint.log.stump import set_aside_stump
from safepoint.objects.base import MakesDurable

__all__ = ["LARGE_BYTES", "Head", "Log", "Shared", "off_loop"]

logger = logging.getLogger("safepoint")

_MAX_STEPS_FORWARD = 8
_LOOK_AGAIN = ("unknown_key", LOST_VERSION)

R = TypeVar("R")


class Log:
    """One workspace's log. Reads are linearizable; tasks may share it."""

    def __init__(self, name: str, shared: Shared) -> None:
        self.name = name
        self.shared = shared
        self.codec: Codec | None = None
        self.keys: WorkspaceKeys | None = None
        self._head: Head | None = None
        self._viewed = 0.0  # when the head was last known to be the newest, by the shared timer
        self._durable = 0  # the newest version known to survive a power loss
        self.generation = 0  # the newest manifest there is, usually the one of `keys`
        self._durable_keys = 0  # the same of manifests

    async def head(self) -> Head:
        """The newest version, as of no earlier than this call.

        Raises:
            Damaged: a record that it needs does not open, or the store is older than it was.
            Unavailable: the store cannot be read.
        """
        began, head = self.shared.timer(), self.recent()
        if head is None or self.codec is None:
            return await self._cold()
        for _ in range(_MAX_STEPS_FORWARD):
            data = await self.shared.objects.get(log_key(self.name, head.version + 1))
            if data is not None and head.document.deleted:
                break
            try:
                following = None if data is None else await self._follow(head, data)
            except Damaged as error:
                if error.code in _LOOK_AGAIN or await self._has_new_keys():
                    break  # keys were rotated, or the log was repaired, and more came after that
                raise
            if following is None:
                return self.remember(head, viewed=began)
            head = following
        return await self._cold()

    async def durable_head(self) -> Head:
        """`head`, safe to tell: another process may have written it without having synced it yet.

        Raises what `head` raises; Unavailable also when it cannot be made durable.
        """
        head = await self.head()
        await self.make_durable(head)
        return head

    async def make_durable(self, head: Head) -> None:
        """What is told of a version must not vanish with the power."""
        objects = self.shared.objects
        if head.version > self._durable and isinstance(objects, MakesDurable):
            await objects.make_durable(log_key(self.name, head.version))
            self.note_durable(head)

    async def make_keys_durable(self, head: Head) -> None:
        """What follows `head` must not outlast the key that it is sealed by."""
        known = self._durable_keys or int(head.exists)  # no version is without a first manifest
        if self.keys is not None and self.keys.generation > known:
            await make_durable(self.shared.objects, keys_key(self.name, self.keys.generation))
            self._durable_keys = self.keys.generation

    def note_durable(self, head: Head) -> None:
        self._durable = max(self._durable, head.version)

    @property
    def first(self) -> int:
        """The workspace's first version; see WorkspaceKeys."""
        return self.codec.first if self.codec is not None else 1

    @property
    def weight(self) -> int:
        """Bytes that the head holds in memory, about."""
        return self._head.weight if self._head else 0

    def known(self) -> Head | None:
        """The newest version that this process has seen, without asking the store."""
        return self._head

    def recent(self) -> Head | None:
        """`known`, if it was the newest version within the last ten minutes.

        The record after an older view may have come and gone since: only a list tells the newest.
        """
        old = self.shared.timer() - self._viewed > VIEW_SECONDS
        return None if old else self._head

    def remember(self, head: Head, *, viewed: float) -> Head:
        """Keep the newer of `head` and what is known, and return `head`. `viewed` is a time by the
        shared timer at which `head`, or a newer one that is known, was the newest."""
        if self._head is None or head.version > self._head.version:
            self._head = head
        self._viewed = max(self._viewed, viewed)
        return head

    def forget(self) -> None:
        """Begin again with what the store holds: somebody has repaired it."""
        self._head, self._viewed = None, 0.0

    async def document(self, version: int, head: Document) -> Document:
        """What the workspace, now at `head`, was at `version`.

        Raises NotFound when there is no such version or it was pruned (`pruned`), Damaged when it
        cannot be rebuilt.
        """
        if version == head.version:
            return head
        if self.codec is None or not self.codec.first <= version < head.version:
            raise NotFound(
                f"workspace {self.name!r} has no version {version}; its newest is {head.version}",
                hint="list_checkpoints (or `safepoint history`) shows the versions there are.",
                code="version_not_found",
            )
        return await self._unpruned(version, head, self.rebuilt(version))

    async def record(self, version: int) -> tuple[Record, int]:
        """The record of an existing version, and its size in stored bytes. Raises NotFound when it
        was pruned."""
        head = self._head.document if self._head is not None else EMPTY
        data = await self._unpruned(version, head, self._fetch(version))
        return await off_loop(len(data), open_any, self._codec, version, data), len(data)

    async def rebuilt(self, version: int) -> Document:
        """The document of an existing version. Raises Damaged."""
        encoded = await self.encoded(version)
        return await off_loop(len(encoded), self._codec.decode, version, encoded)

    async def _unpruned(self, version: int, head: Document, reading: Coroutine[Any, Any, R]) -> R:
        """What `reading` finds of a version, whose records may be pruned while it reads."""
        if is_pruned(head, version):
            reading.close()
            raise pruned_error(self.name, version, head)
        try:
            return await reading
        except Damaged:
            newer = (await self.head()).document
            if is_pruned(newer, version):
                raise pruned_error(self.name, version, newer) from None
            raise

    async def encoded(self, version: int) -> bytes:
        """The encoded document of an existing version: from memory, or rebuilt."""
        codec, cache = self._codec, self.shared.cache
        missing: list[tuple[int, Record | None]] = []
        encoded: bytes | None = None
        one: int | None = version
        while one is not None and encoded is None:
            kept = cache.get(codec.workspace_id, one)
            if kept is not None and kept.document is not None:
                encoded = kept.document
            else:
                missing.append((one, kept.record if kept is not None else None))
                one = codec.base(one)
        opening = [self._opened(*each) for each in missing]
        records = await asyncio.gather(*opening) if opening else []
        for record in reversed(records):
            encoded = await off_loop(record.document_length, self._rebuild, record, encoded)
        assert encoded is not None  # noqa: S101 - a chain has at least one version
        return encoded

    def appended(self, record: Record, encoded: bytes) -> None:
        """Keep in memory what the next commits may be based on: the newest version, which this is,
        and those that it leaves to be bases."""
        codec, cache = self._codec, self.shared.cache
        cache.put(codec.workspace_id, record, encoded)
        for version in codec.left_by(record.version):
            cache.shed(codec.workspace_id, version)

    @property
    def _codec(self) -> Codec:
        assert self.codec is not None  # noqa: S101 - set before any version is known
        return self.codec

    async def _opened(self, version: int, known: Record | None) -> Record:
        if known is not None:
            return known
        data = await self._fetch(version)
        return await off_loop(len(data), open_record, self._codec, version, data)

    def _open(self, version: int, data: bytes, base: bytes | None) -> bytes:
        return self._rebuild(open_record(self._codec, version, data), base)

    def _rebuild(self, record: Record, base: bytes | None) -> bytes:
        encoded = self._codec.rebuild(record, base)
        self.shared.cache.put(self._codec.workspace_id, record, encoded)
        return encoded

    async def _fetch(self, version: int) -> bytes:
        return self._there(version, await self.shared.objects.get(self._key(version)))

    def _key(self, version: int) -> str:
        return log_key(self.name, version)

    def _there(self, version: int, data: bytes | None) -> bytes:
        if data is None:
            raise Damaged(
                f"{self._key(version)} is missing, though later versions exist",
                hint="Records were deleted from the store; restore them from a copy. "
                + repair_hint(self.name),
                code="missing_record",
            )
        return data

    async def _follow(self, head: Head, data: bytes) -> Head | None:
        """The head after `head`, whose record is `data`; None when that is only a stump."""
        version, codec = head.version + 1, self._codec
        try:
            record = await off_loop(len(data), open_record, codec, version, data)
        except Damaged:
            if await self._set_aside(version, data):
                return None
            raise
        if record.previous != head.digest and record.event.get("kind") != REPAIR:
            raise Damaged(
                f"{log_key(self.name, version)} does not follow version {head.version}",
                hint="The log was altered, or restored in parts; restore it whole from a copy. "
                + repair_hint(self.name),
                code="broken_chain",
            )
        base = await self.encoded(record.base) if record.base else None
        encoded = await off_loop(record.document_length, codec.rebuild, record, base)
        self.appended(record, encoded)
        document = await off_loop(len(encoded), codec.decode, version, encoded)
        return Head(document, hashlib.sha256(data).digest(), len(data), len(encoded))

    async def _cold(self, *, again: bool = True) -> Head:
        """The newest version from nothing, in two round trips: list, then fetch in parallel."""
        seen = await self.shared.seen.version(self.name)  # this process may go on meanwhile
        began = self.shared.timer()
        version, generations = await asyncio.gather(
            newest_version(self.shared.objects, log_folder(self.name)),
            self.shared.objects.list(keys_folder(self.name)),
        )
        if version and not generations:  # perhaps made between the two answers
            generations = await self.shared.objects.list(keys_folder(self.name))
        chain = chain_of(version) if version else ()
        try:
            _, found = await asyncio.gather(
                self._load_keys(generations, begun=bool(version)),
                asyncio.gather(*(self.shared.objects.get(self._key(one)) for one in chain)),
            )
            if self.keys is not None and self.keys.deleted is not None:
                last = found[-1] if found else None
                return await self._buried(self.keys.deleted, version, last, began, seen)
            if version and self.codec is not None:
                chain = self.codec.chain(version)
            fetched = [
                self._there(one, data)
                for one, data in zip(chain, found[-len(chain) :], strict=True)
            ]
        except Damaged:
            if again:  # another process may just have set a stump aside, or begun anew
                return await self._cold(again=False)
            raise
        if version == 0:
            return await self._checked(Head(EMPTY, NO_PREVIOUS, 0, 0), began, seen)
        if self.codec is None:
            raise Damaged(
                f"{keys_folder(self.name)} has no keys, though the workspace has versions",
                hint="Without its keys nothing opens; restore them from a copy of the store.",
                code="missing_keys",
            )
        try:
            await off_loop(len(fetched[-1]), open_record, self.codec, version, fetched[-1])
        except Damaged:
            if await self._set_aside(version, fetched[-1]):
                return await self._cold()
            if again:  # the keys may have been rotated between the two lists
                return await self._cold(again=False)
            raise
        encoded: bytes | None = None
        for one, data in zip(chain, fetched, strict=True):
            size = len(data) + len(encoded or b"")
            encoded = await off_loop(size, self._open, one, data, encoded)
        assert encoded is not None  # noqa: S101 - a chain has at least one version
        document = await off_loop(len(encoded), self.codec.decode, version, encoded)
        digest = hashlib.sha256(fetched[-1]).digest()
        head = Head(document, digest, len(fetched[-1]), len(encoded))
        return await self._checked(head, began, seen)

    async def _buried(
        self, deleted: Tombstone, version: int, data: bytes | None, began: float, seen: int
    ) -> Head:
        """The head of a deleted workspace: its last record, which nothing opens any more."""
        if version != deleted.version or data is None:
            raise Damaged(
                f"workspace {self.name!r} was deleted at version {deleted.version}, but its log "
                f"ends at version {version}",
                hint="Run `safepoint verify`.",
                code="broken_chain",
            )
        document = Document(version=version, run=deleted.run, deleted=True)
        head = Head(document, hashlib.sha256(data).digest(), len(data), 0)
        return await self._checked(head, began, seen)

    async def _load_keys(self, listed: list[str] | None, *, begun: bool) -> None:
        """Take the newest keys; see `newest_keys`."""
        objects, store = self.shared.objects, self.shared.keys
        newest = await newest_keys(objects, store, self.name, listed=listed, begun=begun)
        self.generation = max(self.generation, newest.generation)
        if newest.keys is not None:
            self.use_keys(newest.keys)

    async def _has_new_keys(self) -> bool:
        before = self.generation
        await self.reload_keys()
        return self.generation != before

    async def reload_keys(self, *, begun: bool = True) -> None:
        """Take the newest keys there are now. `begun`: whether the workspace has versions."""
        await self._load_keys(None, begun=begun)

    def use_keys(self, keys: WorkspaceKeys) -> None:
        """Seal and open with these from now on, unless newer ones are known; those of a deleted
        workspace open nothing."""
        if self.keys is not None and keys.generation < self.keys.generation:
            return
        shared, self.keys = self.shared, keys
        self.generation = max(self.generation, keys.generation)
        self.codec = None if keys.deleted is not None else Codec(
            self.name, shared.keys.store_id, keys.workspace_id, keys.secrets, shared.random,
            keys.first, keys.cuts,
        )  # fmt: skip

    async def _checked(self, head: Head, began: float, seen: int) -> Head:
        """Remember `head`, unless this user had `seen` a newer one: the store was rolled back."""
        if head.version < seen:
            raise Damaged(
                f"workspace {self.name!r} is at version {head.version}, but version {seen} was "
                "seen before: records were deleted, or an old copy of the store was put back",
                hint="Restore the newer records. To go on from what is there on purpose, run "
                f"`safepoint verify {self.name} --repair`, or delete the memory of it: "
                f"{self.shared.seen.path(self.name) or 'end this process'}.",
                code="rolled_back",
            )
        # The newest record may not be durable yet when another process is writing it; the one
        # before it is.
        self.shared.seen.note(self.name, head.version - 1)
        return self.remember(head, viewed=began)

    async def _set_aside(self, version: int, data: bytes) -> bool:
        """Whether `data` was the stump of a commit that a power loss cut, now out of the way."""
        objects = self.shared.objects
        if not is_torn(data) or await self.shared.seen.version(self.name) >= version:
            return False  # it had been acknowledged: this is damage
        if await objects.get(log_key(self.name, version + 1)) is not None:
            return False
        return await set_aside_stump(objects, log_key(self.name, version), data)
