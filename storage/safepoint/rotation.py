"""The keys of a store: new data keys for its workspaces, and a new store key for all of them.

A new store key comes into force in three steps, each of which may be the last one that a process
lives to do; a repeat goes on from there.
1. A store manifest holds the new key in those slots whose secret is at hand, and the previous key
   sealed by the new one. From then on nobody writes manifests under the previous key.
2. Every workspace manifest and token is sealed anew, until a look at all of them finds nothing
   more to do.
3. A store manifest without the previous key. What came before it is removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from safepoint.behind.summary import resealed
from safepoint.crypto.keyring import KEY_BYTES, Passphrase, Unlock, rewrap_slots
from safepoint.crypto.storekeys import StoreKeys
from safepoint.errors import Conflict, InvalidInput, NotFound, SafepointError
from safepoint.format.keys import (
    MANIFEST_FOLDER,
    ROOT_SUMMARY,
    WORKSPACES_FOLDER,
    decode_name,
    encode_name,
    manifest_key,
    summary_key,
)
from safepoint.handle import Handle
from safepoint.keyfile import read_key_file
from safepoint.keysource import as_kms_key
from safepoint.log.generations import newest_of, remove_older
from safepoint.log.keys import name_of
from safepoint.log.log import Shared
from safepoint.log.manifests import Newest, newest_keys
from safepoint.log.renewal import renew_keys
from safepoint.manifest import Opened, change_manifest, read_checked
from safepoint.model.keys import DataKeys, KeysRotated, RotatedWorkspace
from safepoint.tokens import Tokens
from safepoint.values import dataclass

if TYPE_CHECKING:
    from safepoint.crypto.kms import KmsKey

__all__ = ["Keys", "OnRotated"]

OnRotated = Callable[[int, int], None]
"""Is told how many workspaces are done, of how many."""

_AT_ONCE = 8
_LOOKS = 10

R = TypeVar("R")


class Keys:
    """See Store.keys."""

    def __init__(
        self,
        shared: Shared,
        opened: Opened,
        handle: Callable[[str], Handle],
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._shared = shared
        self._opened = opened
        self._handle = handle
        self._now = now

    @property
    def opened_slot(self) -> str:
        """The id of the key slot that opened this store here."""
        return self._opened.slot_id

    @property
    def store_keys(self) -> int:
        """How many store keys there have been, with the one in force."""
        return self._shared.keys.number + 1

    async def unfinished(self) -> bool:
        """Whether a new store key has not reached every workspace yet."""
        _, body = await read_checked(self._shared.objects, self._shared.keys)
        return bool(body.get("previous"))

    async def data_keys(self) -> tuple[DataKeys, ...]:
        """Every workspace that is not deleted, and how many data keys it has."""
        found = [await self._each(some, self._data_keys) async for some in self._folders()]
        return tuple(
            DataKeys(one.name, 0, 0, str(one.error)) if isinstance(one, _Failed) else one
            for some in found
            for one in some
        )

    async def rotate(
        self,
        names: Iterable[str] | None = None,
        *,
        keep_old: bool = False,
        on_progress: OnRotated | None = None,
    ) -> KeysRotated:
        """Give each workspace, or those named, a new data key for all that it writes from now on.

        Nothing that is stored is written again: the older keys stay, to read by. Other programs
        go on at once, with the new key. Superseded manifests are removed, unless `keep_old`.
        A workspace that fails does not keep the others from it.
        """
        if names is None:
            wanted = [folder async for some in self._folders() for folder in some]
        else:
            given = list(dict.fromkeys(names))
            for name in given:
                await self._handle(name).existing()
            wanted = [encode_name(name) for name in given]
        workspaces, failed = await self._renew(wanted, True, keep_old, on_progress)
        return KeysRotated(workspaces, failed, finished=not failed)

    async def rotate_store_key(
        self,
        *,
        key_files: Iterable[Path] = (),
        passphrases: Iterable[str] = (),
        kms_keys: Iterable[str | KmsKey] = (),
        drop_others: bool = False,
        data_keys: bool = True,
        keep_old: bool = False,
        on_progress: OnRotated | None = None,
    ) -> KeysRotated:
        """Replace the store key, and with `data_keys` give every workspace a new data key too.

        The new key lies in the slot that opened this store here, and in those that `key_files`,
        `passphrases` and `kms_keys` open. All others open nothing any more, and have to be added
        again. Programs that have the store open with the previous key end with WrongKey
        (`store_key_changed`) where they meet the new one; nothing that they did is lost.

        One that was begun and not finished is finished, with the slots that were chosen then.

        Raises:
            Conflict: slots would be dropped, and `drop_others` is not set (`slots_dropped`).
            WrongKey: one of the keys given opens no slot; or the store key was changed by another
                program since this store was opened.
        """
        unlocks = await asyncio.to_thread(_unlocks, key_files, passphrases, kms_keys)
        begun = await self._begin([self._opened.unlock, *unlocks], drop_others)
        folders = [folder async for some in self._folders() for folder in some]
        workspaces, failed = await self._renew(folders, data_keys, keep_old, on_progress)
        failed = failed or await self._finish(keep_old)
        return KeysRotated(
            workspaces,
            failed,
            store_key=True,
            finished=not failed,
            resumed=begun.resumed,
            kept_slots=begun.kept,
            dropped_slots=tuple(one for one in begun.before if one not in begun.kept),
        )

    async def _begin(self, unlocks: Sequence[Unlock], drop_others: bool) -> _Begun:
        keys, random = self._shared.keys, self._shared.random
        at = self._now().isoformat(timespec="seconds")
        before: tuple[str, ...] = ()
        resumed = False

        def with_new_key(body: dict[str, Any]) -> tuple[dict[str, Any], StoreKeys] | None:
            nonlocal before, resumed
            before, resumed = _ids(body), bool(body.get("previous"))
            if resumed:
                return None
            secrets = {keys.number: keys.store_key, keys.number + 1: random(KEY_BYTES)}
            fresh = StoreKeys(keys.store_id, secrets)
            slots = rewrap_slots(
                body["slots"], unlocks, keys.store_id, fresh.store_key, random=random
            )
            _check_dropped(body["slots"], slots, drop_others)
            previous = fresh.wrapped_previous(random=random)
            changed = {"slots": slots, "previous": previous, "store_key_at": at}
            return {**body, **changed}, fresh

        body = await change_manifest(self._shared.objects, keys, with_new_key)
        both = keys.with_previous(body, key=MANIFEST_FOLDER)
        keys.renew(both.secrets, generation=body["generation"])
        return _Begun(before, _ids(body), resumed)

    async def _finish(self, keep_old: bool) -> _Failures:
        """Drop the previous key once nothing is wrapped by it; what is, and cannot be changed."""
        keys, objects = self._shared.keys, self._shared.objects
        for _ in range(_LOOKS):
            looked = [await self._each(some, self._behind) async for some in self._folders()]
            behind = [one for some in looked for one in some]
            renewed = await Tokens(self._shared, self._now).renew()
            if not behind and not renewed:
                break
            folders = [one for one in behind if isinstance(one, str)]
            _, failed = await self._renew(folders, False, keep_old, None)
            if failed := (*failed, *_failures(behind)):
                return failed

        def without_previous(body: dict[str, Any]) -> tuple[dict[str, Any], StoreKeys] | None:
            if not body.get("previous"):
                return None
            fresh = {name: value for name, value in body.items() if name != "previous"}
            return fresh, StoreKeys(keys.store_id, {keys.number: keys.store_key})

        await self._reseal(ROOT_SUMMARY)
        body = await change_manifest(objects, keys, without_previous)
        keys.renew({keys.number: keys.store_key}, generation=body["generation"])
        if not keep_old:
            await remove_older(objects, MANIFEST_FOLDER, manifest_key(body["generation"]))
        return ()

    async def _renew(
        self, folders: Sequence[str], new_key: bool, keep_old: bool, told: OnRotated | None
    ) -> tuple[tuple[RotatedWorkspace, ...], _Failures]:
        done: list[RotatedWorkspace | _Failed] = []

        async def renew(folder: str) -> RotatedWorkspace | None:
            return await self._renew_one(folder, new_key, keep_old)

        for first in range(0, len(folders), _AT_ONCE):
            done += await self._each(folders[first : first + _AT_ONCE], renew)
            if told is not None:
                told(min(first + _AT_ONCE, len(folders)), len(folders))
        return tuple(one for one in done if isinstance(one, RotatedWorkspace)), _failures(done)

    async def _renew_one(
        self, folder: str, new_key: bool, keep_old: bool
    ) -> RotatedWorkspace | None:
        name = await self._name(folder)
        if name is None:
            return None
        handle = self._handle(name)
        await self._reseal(summary_key(folder))
        renewed = await renew_keys(
            handle.log, handle.committer, handle.actor, new_key=new_key, keep_old=keep_old
        )
        keys = renewed.keys
        if keys is None or keys.deleted is not None:
            return None
        return RotatedWorkspace(name, len(keys.secrets), keys.generation, renewed.version)

    async def _reseal(self, key: str) -> None:
        """Keep a summary readable; whoever writes a newer one meanwhile may be overwritten, until
        the workspace's next commit."""
        objects = self._shared.objects
        data = await objects.get(key)
        if data is not None:
            fresh = resealed(self._shared.keys, key, data, random=self._shared.random)
            if fresh is not None:
                await objects.put(key, fresh)

    async def _behind(self, folder: str) -> str | None:
        """The folder, if the previous store key wraps its keys."""
        newest = await self._newest(folder)
        if newest is None or newest.keys is None:
            return None
        return folder if newest.keys.store_key != self._shared.keys.number else None

    async def _data_keys(self, folder: str) -> DataKeys | None:
        newest = await self._newest(folder)
        keys = None if newest is None else newest.keys
        if keys is None or keys.deleted is not None:
            return None
        return DataKeys(keys.name, len(keys.secrets), keys.generation)

    async def _newest(self, folder: str) -> Newest | None:
        name = await self._name(folder)
        if name is None:
            return None
        return await newest_keys(self._shared.objects, self._shared.keys, name, begun=None)

    async def _each(
        self, folders: Sequence[str], work: Callable[[str], Awaitable[R | None]]
    ) -> list[R | _Failed]:
        """What `work` gives for each but None, or why it failed; a few at once."""
        found: list[R | _Failed] = []

        async def one(folder: str) -> R | _Failed | None:
            try:
                return await work(folder)
            except NotFound:
                return None  # deleted meanwhile
            except SafepointError as error:
                if error.code == "store_key_changed":
                    raise
                return _Failed(folder, error)

        for first in range(0, len(folders), _AT_ONCE):
            some = await asyncio.gather(*map(one, folders[first : first + _AT_ONCE]))
            found += [each for each in some if each is not None]
        return found

    async def _folders(self) -> AsyncIterator[list[str]]:
        after = ""
        objects = self._shared.objects
        while found := await objects.list(WORKSPACES_FOLDER, after=after, folders=True):
            yield found
            after = found[-1]

    async def _name(self, folder: str) -> str | None:
        """The workspace's name, None for a folder that is not a workspace's."""
        try:
            name = decode_name(folder)
        except InvalidInput:
            return None
        if name is not None:
            return name
        objects = self._shared.objects
        key = await newest_of(objects, f"{WORKSPACES_FOLDER}{folder}/keys/")
        data = await objects.get(key) if key else None
        return None if key is None or data is None else name_of(self._shared.keys, key, data)


@dataclass(frozen=True, slots=True)
class _Begun:
    """The ids of the slots before and after, and whether a rotation had been begun before."""

    before: tuple[str, ...]
    kept: tuple[str, ...]
    resumed: bool


@dataclass(frozen=True, slots=True)
class _Failed:
    name: str
    error: SafepointError


_Failures: TypeAlias = tuple[tuple[str, SafepointError], ...]


def _failures(done: Iterable[object]) -> _Failures:
    return tuple((one.name, one.error) for one in done if isinstance(one, _Failed))


def _unlocks(
    key_files: Iterable[Path], passphrases: Iterable[str], kms_keys: Iterable[str | KmsKey]
) -> list[Unlock]:
    return [
        *map(read_key_file, key_files),
        *map(Passphrase, passphrases),
        *map(as_kms_key, kms_keys),
    ]


def _ids(body: dict[str, Any]) -> tuple[str, ...]:
    return tuple(slot["id"] for slot in body["slots"])


def _check_dropped(
    before: list[dict[str, Any]], after: list[dict[str, Any]], drop_others: bool
) -> None:
    kept = {slot["id"] for slot in after}
    dropped = [slot for slot in before if slot["id"] not in kept]
    if dropped and not drop_others:
        names = ", ".join(
            f"{slot['id']} ({slot['kind']}{' ' if slot['label'] else ''}{slot['label']})"
            for slot in dropped
        )
        raise Conflict(
            f"these key slots would open the store no more: {names}",
            hint="Give their key files, passphrases or KMS keys too, or say that they shall go. "
            "Nothing was changed.",
            code="slots_dropped",
        )
