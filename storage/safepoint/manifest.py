"""The store manifest: its id and key slots, as numbered generations; the newest is in force."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safepoint.crypto import manifest
from safepoint.crypto.envelope import Random
from safepoint.crypto.keyring import KEY_BYTES, Passphrase, Unlock, add_slot, open_slots, slots_of
from safepoint.errors import (
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    Unavailable,
    WrongKey,
)
from safepoint.format.keys import (
    MANIFEST_FOLDER,
    WORKSPACES_FOLDER,
    generation_of,
    manifest_key,
    newest_generation,
)
from safepoint.keyfile import default_key_file, make_key_file, read_key_file
from safepoint.log.keys import StoreKeys
from safepoint.objects.base import ObjectStore

__all__ = ["KeySource", "change_slots", "read_manifest", "unlock_store"]

KIND = "safepoint store"
ID_BYTES = 16


class KeySource:
    """What opens a store: a passphrase, a key file, or by default the user's own key file."""

    def __init__(
        self, *, key_file: Path | None, passphrase: str | None, key: Unlock | None = None
    ) -> None:
        if key_file is not None and passphrase is not None:
            raise InvalidInput(
                "a key file and a passphrase are both given", hint="Give one of them."
            )
        self._path = key_file or default_key_file()
        self._key = Passphrase(passphrase) if passphrase is not None else key

    def existing(self) -> Unlock:
        return self._key or read_key_file(self._path)

    def for_new_store(self, random: Random) -> Unlock:
        """Makes the key file when it is not there yet: nothing depends on another one yet."""
        if self._key is not None or self._path.exists():
            return self.existing()
        return make_key_file(self._path, random=random)


async def read_manifest(objects: ObjectStore) -> tuple[str, dict[str, Any]] | None:
    """Key and contents of the newest generation, None for a store that was never made.

    Raises Damaged, also when there is data but no manifest.
    """
    key = newest_generation(await objects.list(MANIFEST_FOLDER))
    if key is None:
        if await objects.list(WORKSPACES_FOLDER, limit=1):
            raise Damaged(
                f"{objects.url} holds workspaces but no {MANIFEST_FOLDER} manifest",
                hint="Without it the data cannot be opened. Restore it from a copy of the store.",
                code="missing_manifest",
            )
        return None
    data = await objects.get(key)
    if data is None:
        raise Damaged(f"{key} is missing, though it was listed", hint="Restore it from a copy.")
    body = manifest.decode(data, key=key, kind=KIND)
    _check_shape(body, key)
    return key, body


async def unlock_store(
    objects: ObjectStore, source: KeySource, *, create: bool, random: Random
) -> StoreKeys:
    """The store's keys; a store that was never made is made, unless `create` is false.

    Raises:
        WrongKey: none of its slots opens with this key.
        NotFound: there is no store, and none is to be made.
        Damaged: the manifest is not what was written.
    """
    found = await read_manifest(objects)
    if found is None:
        if not create:
            raise NotFound(
                f"there is no store at {objects.url}",
                hint="It is made by the first save; check the address.",
                code="store_not_found",
            )
        made = await _make(objects, await asyncio.to_thread(source.for_new_store, random), random)
        if made is not None:
            return made
        found = await read_manifest(objects)
        if found is None:
            raise Unavailable(
                f"the manifest of {objects.url} vanished while the store was made",
                hint="Try again.",
            )
    key, body = found
    unlock = await asyncio.to_thread(source.existing)
    store_id = bytes.fromhex(body["store_id"])
    store_key = await asyncio.to_thread(open_slots, body["slots"], unlock, store_id)
    if store_key is None:
        kinds = " or ".join(sorted({slot["kind"] for slot in body["slots"]}))
        raise WrongKey(
            f"{unlock.what} does not open the store at {objects.url}; it opens by its {kinds}",
            hint="Give the right SAFEPOINT_KEY_FILE or SAFEPOINT_PASSPHRASE. The data is intact.",
        )
    manifest.check_mac(body, store_key=store_key, key=key)
    return StoreKeys(store_id, store_key)


async def change_slots(
    objects: ObjectStore,
    keys: StoreKeys,
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """Write a new generation with the slots that `change` makes of the present ones.

    Atomic against other changers: on a conflict `change` is applied to the newer slots.
    """
    for _ in range(10):
        found = await read_manifest(objects)
        if found is None:
            raise Damaged(f"the manifest of {objects.url} is gone", hint="Restore it from a copy.")
        key, body = found
        manifest.check_mac(body, store_key=keys.store_key, key=key)
        slots = change(body["slots"])
        generation = generation_of(key) + 1
        fresh = {name: value for name, value in body.items() if name != "mac"}
        fresh |= {"generation": generation, "slots": slots}
        target = manifest_key(generation)
        data = manifest.encode(fresh, store_key=keys.store_key, key=target)
        if await _put_ours(objects, target, data, after=key):
            return slots
    raise Conflict("other processes keep changing the key slots", hint="Try again.")


def _check_shape(body: dict[str, Any], key: str) -> None:
    """Raises Damaged for what Safepoint cannot have written: the MAC can be checked only after
    unlocking."""
    try:
        whole = len(bytes.fromhex(body["store_id"])) == ID_BYTES and len(slots_of(body)) > 0
    except (KeyError, TypeError, ValueError, Damaged):
        whole = False
    if not whole:
        raise Damaged(
            f"{key} is damaged: it has no store id or no key slots",
            hint="Somebody altered it. Restore it from a copy of the store.",
            code="not_authentic",
        )


async def _make(objects: ObjectStore, unlock: Unlock, random: Random) -> StoreKeys | None:
    """A new store, or None when somebody else has just made it."""
    keys = StoreKeys(random(ID_BYTES), random(KEY_BYTES))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    slot = await asyncio.to_thread(
        add_slot, unlock, keys.store_key, keys.store_id, label="", at=at, random=random
    )
    body = {
        "format": manifest.FORMAT,
        "kind": KIND,
        "store_id": keys.store_id.hex(),
        "generation": 1,
        "created_at": at,
        "slots": [slot],
    }
    key = manifest_key(1)
    data = manifest.encode(body, store_key=keys.store_key, key=key)
    return keys if await _put_ours(objects, key, data) else None


async def _put_ours(
    objects: ObjectStore, key: str, data: bytes, *, after: str | None = None
) -> bool:
    """Put if absent; a put whose answer was lost is looked up. True when the object is ours."""
    with contextlib.suppress(OutcomeUnknown):
        if await objects.put(key, data, if_absent=True, after=after):
            return True
    return await objects.get(key) == data
