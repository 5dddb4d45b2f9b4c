"""A store: the root of everything at one URL, unlocked."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from urllib.request import url2pathname

from safepoint._version import __version__
from safepoint.crypto.keyring import KeyFile, KeySlot, Passphrase, Unlock, add_slot, slots_of
from safepoint.crypto.manifest import check_mac
from safepoint.errors import InvalidInput, NotFound
from safepoint.format.keys import WORKSPACES_FOLDER, decode_name, encode_name, newest_generation
from safepoint.keyfile import default_seen_folder, make_key_file
from safepoint.listing import check_limit
from safepoint.log.cache import DocumentCache
from safepoint.log.commit import Patience
from safepoint.log.keys import StoreKeys, name_of
from safepoint.log.log import Shared
from safepoint.log.progress import progress, workspace_status
from safepoint.log.registry import Registry
from safepoint.log.seen import SeenHeads
from safepoint.log.transitions.base import when
from safepoint.manifest import KeySource, change_slots, read_manifest, unlock_store
from safepoint.model import Actor, Limits, Page, WorkspaceInfo, WorkspaceStatus
from safepoint.objects.base import ObjectStore
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.workspace import Workspace

__all__ = ["Store"]

CACHE_BYTES = 256 * 1024 * 1024
_PARALLEL_READS = 32


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Store:
    """Opened by `Store.open`; gives workspaces. Safe to share between tasks of one event loop."""

    def __init__(
        self,
        shared: Shared,
        *,
        actor: Actor,
        limits: Limits,
        clock: Callable[[], datetime],
        patience: Patience,
    ) -> None:
        self._shared = shared
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

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str | Path | ObjectStore,
        *,
        key_file: Path | None = None,
        passphrase: str | None = None,
        actor: Actor | None = None,
        limits: Limits | None = None,
        cache_bytes: int = CACHE_BYTES,
        create: bool = True,
        clock: Callable[[], datetime] = _utc_now,
        seen: Path | None = None,
        patience: Patience | None = None,
    ) -> AsyncIterator[Store]:
        """Open the store at `url`: `file:///…`, a path, `memory://`, or any ObjectStore.

        A store that does not exist is made, unless `create` is false. It opens with `passphrase`,
        with `key_file`, or with the user's default key file; for a new store a missing key file is
        made (mode 0600). A memory store makes up a key of its own when none is given.
        `seen` is the folder that remembers the newest versions seen.

        Raises:
            WrongKey: the store is there, this key does not open it.
            NotFound: there is no store, and `create` is false.
            Unavailable: the place cannot be reached, read or written.
            Damaged, Unsupported: its manifest is not what was written, or of a newer format.
        """
        objects, private, remembered = _objects_at(url)
        throwaway: Unlock | None = KeyFile(os.urandom(32)) if private else None
        source = KeySource(key_file=key_file, passphrase=passphrase, key=throwaway)
        folder = seen or (default_seen_folder() if remembered else None)
        try:
            keys = await unlock_store(objects, source, create=create, random=os.urandom)
            heads = SeenHeads(folder / keys.store_id.hex() if folder else None)
            shared = Shared(objects, keys, DocumentCache(cache_bytes), heads, os.urandom)
            try:
                yield cls(
                    shared,
                    actor=actor or default_actor(),
                    limits=limits or Limits(),
                    clock=clock,
                    patience=patience or Patience(),
                )
            finally:
                await heads.close()
        finally:
            await objects.close()

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

    def workspace(self, name: str, *, actor: Actor | None = None) -> Workspace:
        """The workspace of this name, without asking the store: it need not exist yet.

        `actor` is who its changes are attributed to; by default the actor of the store.
        """
        encode_name(name)
        if not name or len(name) > self._limits.name_chars:
            raise InvalidInput(
                f"a workspace name has 1 to {self._limits.name_chars} characters, not {len(name)}",
                hint="Use a short name for the task, such as 'release-notes'.",
                code="bad_name",
            )
        return Workspace(
            name,
            self._logs.open(name),
            actor=actor or self._actor,
            limits=self._limits,
            clock=self._clock,
        )

    async def workspaces(
        self,
        prefix: str = "",
        *,
        status: WorkspaceStatus | str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[WorkspaceInfo]:
        """Workspaces whose name starts with `prefix`, in the order of their keys.

        Each is as of a version no older than this call.
        """
        check_limit(limit)
        if status is not None and status not in list(WorkspaceStatus):
            raise InvalidInput(
                f"status must be one of {', '.join(WorkspaceStatus)}", hint="Leave it out for all."
            )
        found: list[tuple[str, WorkspaceInfo]] = []
        after = cursor or ""
        while len(found) <= limit:
            folders = await self.objects.list(
                WORKSPACES_FOLDER, after=after, limit=_PARALLEL_READS, folders=True
            )
            infos = await asyncio.gather(*(self._info(folder, prefix) for folder in folders))
            found += [
                (folder, info)
                for folder, info in zip(folders, infos, strict=True)
                if info is not None and status in (None, info.status)
            ]
            if len(folders) < _PARALLEL_READS:
                break
            after = folders[-1]
        more = len(found) > limit
        items = tuple(info for _, info in found[:limit])
        return Page(items, found[limit - 1][0] if more else None)

    async def names(self) -> AsyncIterator[str]:
        """The names of all workspaces, in the order of their keys."""
        after = ""
        while folders := await self.objects.list(WORKSPACES_FOLDER, after=after, folders=True):
            for folder in folders:
                name = await self._name(folder)
                if name is not None:
                    yield name
            after = folders[-1]

    async def closest_names(self, name: str, limit: int = 3) -> tuple[str, ...]:
        """The existing names most like `name`, best first."""
        names = [existing async for existing in self.names()]
        return tuple(get_close_matches(name, names, n=limit, cutoff=0.4))

    async def slots(self) -> tuple[KeySlot, ...]:
        """The ways to open this store."""
        found = await read_manifest(self.objects)
        if found is None:
            return ()
        key, body = found
        check_mac(body, store_key=self._shared.keys.store_key, key=key)
        return slots_of(body)

    async def add_passphrase_slot(self, passphrase: str, label: str = "") -> KeySlot:
        """Let `passphrase` open the store too; no data is touched."""
        return await self._add_slot(Passphrase(passphrase), label)

    async def add_key_file_slot(self, path: Path, label: str = "") -> KeySlot:
        """Let a key file open the store too; it is made if it does not exist."""
        key = await asyncio.to_thread(make_key_file, path, random=os.urandom)
        return await self._add_slot(key, label)

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

    async def _add_slot(self, unlock: Unlock, label: str) -> KeySlot:
        keys: StoreKeys = self._shared.keys
        at = self._clock().isoformat(timespec="seconds")
        slot = await asyncio.to_thread(
            add_slot, unlock, keys.store_key, keys.store_id, label=label, at=at, random=os.urandom
        )
        await change_slots(self.objects, keys, lambda slots: [*slots, slot])
        return slots_of({"slots": [slot]})[0]

    async def _name(self, folder: str) -> str | None:
        """The workspace's name, None for a folder that is not a workspace's."""
        try:
            name = decode_name(folder)
        except InvalidInput:
            return None
        if name is not None:
            return name
        keys = await self.objects.list(f"{WORKSPACES_FOLDER}{folder}/keys/")
        key = newest_generation(keys)
        data = await self.objects.get(key) if key else None
        return None if key is None or data is None else name_of(self._shared.keys, key, data)

    async def _info(self, folder: str, prefix: str) -> WorkspaceInfo | None:
        name = await self._name(folder)
        if name is None or not name.startswith(prefix):
            return None
        document = (await self._logs.peek(name).log.head()).document
        if document.version == 0:
            return None
        now_ms = int(self._clock().timestamp() * 1000)
        return WorkspaceInfo(
            name=name,
            version=document.version,
            run=document.run,
            status=workspace_status(document),
            updated_at=when(document.updated_ms),
            goal=document.goal,
            summary=document.summary,
            next_action=document.next_action,
            progress=progress(document, now_ms),
            state_bytes=len(document.state or b""),
        )


def default_actor() -> Actor:
    """This user's program on this machine."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return Actor(
        user, f"safepoint {__version__}", socket.gethostname(), str(os.getpid()), "library"
    )


def _objects_at(url: str | Path | ObjectStore) -> tuple[ObjectStore, bool, bool]:
    """The place, whether it is private to this process, and whether to remember its heads."""
    if not isinstance(url, str | Path):
        return url, False, False
    text = str(url)
    if text == "memory://":
        return MemoryObjects(), True, False
    scheme, separator, rest = text.partition("://")
    if separator and scheme != "file":
        raise InvalidInput(
            f"there are no stores at {scheme}:// addresses",
            hint="Use a folder's path, file:///folder, or memory://.",
            code="bad_url",
        )
    if text.startswith("file:"):
        if not rest.startswith("/"):
            raise InvalidInput(
                f"{text} is not a file address: it has to be absolute",
                hint="Write file:///absolute/folder, with three slashes.",
                code="bad_url",
            )
        text = url2pathname(rest)
    if not text or "\0" in text:
        raise InvalidInput("the store's address is empty or holds NUL", code="bad_url")
    return LocalObjects(Path(text).expanduser().absolute()), False, True
