"""The store manifest: id, key slots and store keys, as numbered generations; the newest counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from safepoint.crypto import manifest
from safepoint.crypto.envelope import Random
from safepoint.crypto.keyring import KEY_BYTES, Unlock, add_slot, open_slot, slots_of
from safepoint.crypto.storekeys import StoreKeys, number_of
from safepoint.errors import (
    Conflict,
    Damaged,
    LimitExceeded,
    NotFound,
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
from safepoint.keysource import KeySource
from safepoint.log.generations import all_of, put_next, put_ours
from safepoint.log.manifests import STORE_KIND
from safepoint.log.stump import set_aside_stump
from safepoint.objects.base import MakesDurable, ObjectStore
from safepoint.values import dataclass

__all__ = [
    "Opened",
    "change_manifest",
    "change_slots",
    "read_checked",
    "read_manifest",
    "unlock_store",
]

KIND = STORE_KIND
ID_BYTES = 16
MAX_SLOTS = 16  # each may cost a passphrase guess of a fifth of a second
MAX_PREVIOUS = 16
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """An unlocked store, by which slot, and by what."""

    keys: StoreKeys
    slot_id: str
    unlock: Unlock


async def read_manifest(objects: ObjectStore) -> tuple[str, dict[str, Any]] | None:
    """Key and contents of the newest generation, None for a store that was never made.

    Raises Damaged, also when there is data but no manifest.
    """
    listed = await all_of(objects, MANIFEST_FOLDER)
    key = newest_generation(listed)
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
        if await all_of(objects, MANIFEST_FOLDER) != listed:
            return await read_manifest(objects)  # just set aside, or superseded and removed
        raise Damaged(f"{key} is missing, though it was listed", hint="Restore it from a copy.")
    try:
        body = manifest.decode(data, key=key, kind=KIND)
        _check_shape(body, key)
    except Damaged:
        # The stump of a first manifest, or of a change of slots, that a power loss cut: nothing
        # depends on it unless there are workspaces and no generation before it.
        depended_on = len(listed) < 2 and await objects.list(WORKSPACES_FOLDER, limit=1)
        if depended_on or not await set_aside_stump(objects, key, data):
            raise
        return await read_manifest(objects)
    return key, body


async def read_checked(objects: ObjectStore, keys: StoreKeys) -> tuple[str, dict[str, Any]]:
    """Key and contents of the newest generation, which a holder of the store key wrote.

    Raises what `read_manifest` raises; WrongKey (`store_key_changed`) when the store key is not
    the one that `keys` holds any more.
    """
    found = await read_manifest(objects)
    if found is None:
        raise Damaged(f"the manifest of {objects.url} is gone", hint="Restore it from a copy.")
    key, body = found
    keys.check(body, key=key)
    return key, body


async def unlock_store(
    objects: ObjectStore, source: KeySource, *, create: bool, random: Random
) -> Opened:
    """The store's keys; a store that was never made is made, unless `create` is false.

    Raises:
        WrongKey: none of its slots opens with this key.
        NotFound: there is no store, and none is to be made.
        Damaged: the manifest is not what was written.
    """
    for _ in range(_ATTEMPTS):
        found = await read_manifest(objects)
        if found is None:
            if not create:
                raise NotFound(
                    f"there is no store at {objects.url}",
                    hint="It is made by the first save; check the address.",
                    code="store_not_found",
                )
            unlock = await asyncio.to_thread(source.for_new_store, random)
            made = await _make(objects, unlock, random)
            if made is not None:
                return made
            continue
        key, body = found
        opened = await asyncio.to_thread(_unlock, key, body, source, objects.url)
        if await _is_durable(objects, key):
            return opened
    raise Unavailable(f"the manifest of {objects.url} is replaced all the time", hint="Try again.")


async def _is_durable(objects: ObjectStore, key: str) -> bool:
    """Make this manifest durable, since everything that is written from now on depends on it.
    False when it is gone: it was superseded, perhaps with another store key."""
    if isinstance(objects, MakesDurable):
        try:
            await objects.make_durable(key)
        except Unavailable:
            if await objects.get(key) is not None:
                raise
            return False
    return True


def _unlock(key: str, body: dict[str, Any], source: KeySource, url: str) -> Opened:
    slots, store_id = body["slots"], bytes.fromhex(body["store_id"])
    tried: list[str] = []
    for unlock in source.existing(slots):
        found = open_slot(slots, unlock, store_id)
        if found is not None:
            slot_id, store_key = found
            secrets = {number_of(body, key): store_key}
            keys = StoreKeys(store_id, secrets, generation=generation_of(key))
            keys.check(body, key=key)
            return Opened(keys.with_previous(body, key=key), slot_id, unlock)
        if unlock.what not in tried:
            tried.append(unlock.what)
    kinds = " or ".join(sorted({slot["kind"] for slot in slots}))
    raise WrongKey(
        f"{' and '.join(tried)} does not open the store at {url}; it opens by its {kinds}",
        hint="Give the right SAFEPOINT_KEY_FILE or SAFEPOINT_PASSPHRASE. The data is intact.",
    )


async def change_manifest(
    objects: ObjectStore,
    keys: StoreKeys,
    change: Callable[[dict[str, Any]], tuple[dict[str, Any], StoreKeys] | None],
) -> dict[str, Any]:
    """Write a new generation, of what `change` makes of the present one, and the keys to write it
    with; None of it: it stays. Gives what is in force then, and lets `keys` go on with it.

    Atomic against other changers: on a conflict `change` is applied to the newer one.
    """
    for _ in range(10):
        key, body = await read_checked(objects, keys)
        changed = await asyncio.to_thread(change, body)
        if changed is None:
            return body
        fresh, new_keys = changed
        generation = generation_of(key) + 1
        target = manifest_key(generation)
        data = new_keys.encode({**fresh, "generation": generation}, key=target)
        if await put_next(objects, MANIFEST_FOLDER, target, data, base=key):
            keys.renew(new_keys.secrets, generation=generation)
            return manifest.decode(data, key=target, kind=KIND)
    raise Conflict("other processes keep changing the store manifest", hint="Try again.")


async def change_slots(
    objects: ObjectStore,
    keys: StoreKeys,
    change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]],
) -> None:
    """Write a new generation with the slots that `change` makes of the present ones."""

    def with_slots(body: dict[str, Any]) -> tuple[dict[str, Any], StoreKeys]:
        slots = change(body["slots"])
        if len(slots) > MAX_SLOTS:
            raise LimitExceeded(
                f"a store has at most {MAX_SLOTS} key slots",
                hint="Remove one that is not used any more, with `safepoint keys remove`.",
            )
        return {**body, "slots": slots}, keys

    await change_manifest(objects, keys, with_slots)


def _check_shape(body: dict[str, Any], key: str) -> None:
    """Raises Damaged for what Safepoint cannot have written: the MAC can be checked only after
    unlocking."""
    try:
        whole = (
            len(bytes.fromhex(body["store_id"])) == ID_BYTES
            and 0 < len(slots_of(body)) <= MAX_SLOTS
            and len(body.get("previous", ())) <= MAX_PREVIOUS
        )
    except (KeyError, TypeError, ValueError, Damaged):
        whole = False
    if not whole:
        raise Damaged(
            f"{key} is damaged: it has no store id, or no or too many key slots",
            hint="Somebody altered it. Restore it from a copy of the store.",
            code="not_authentic",
        )


async def _make(objects: ObjectStore, unlock: Unlock, random: Random) -> Opened | None:
    """A new store, or None when somebody else has just made it."""
    keys = StoreKeys(random(ID_BYTES), {0: random(KEY_BYTES)})
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
    if not await put_ours(objects, key, keys.encode(body, key=key)):
        return None
    return Opened(keys, slot["id"], unlock)
