"""The store manifest: its id and key slots, as numbered generations; the newest is in force."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safepoint.crypto import manifest
from safepoint.crypto.envelope import Random
from safepoint.crypto.keyring import (
    KEY_BYTES,
    KMS,
    Passphrase,
    Unlock,
    add_slot,
    open_slots,
    slots_of,
)
from safepoint.errors import (
    Conflict,
    Damaged,
    InvalidInput,
    LimitExceeded,
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
from safepoint.log.stump import set_aside_stump
from safepoint.objects.base import MakesDurable, ObjectStore

if TYPE_CHECKING:
    from safepoint.crypto.kms import KmsKey

__all__ = ["KeySource", "as_kms_key", "change_slots", "read_manifest", "unlock_store"]

KIND = "safepoint store"
ID_BYTES = 16
_ATTEMPTS = 5
MAX_SLOTS = 16  # each may cost a passphrase guess of a fifth of a second


class KeySource:
    """What opens a store: a passphrase, a key file or a KMS key, whichever is given. With none, the
    user's own key file and, where the store has such a slot, the KMS key that the slot names."""

    def __init__(
        self,
        *,
        key_file: Path | None = None,
        passphrase: str | None = None,
        kms_key: str | KmsKey | None = None,
        key: Unlock | None = None,
        given_only: bool = False,
    ) -> None:
        given = [name for name, value in (
            ("a key file", key_file), ("a passphrase", passphrase), ("a KMS key", kms_key)
        ) if value is not None]  # fmt: skip
        if len(given) > 1:
            raise InvalidInput(f"{' and '.join(given)} are both given", hint="Give one of them.")
        self._path = key_file or default_key_file()
        self._default = not given
        self._given_only = given_only and key is None
        self._key = key
        if passphrase is not None:
            self._key = Passphrase(passphrase)
        elif kms_key is not None:
            self._key = as_kms_key(kms_key)

    def existing(self, slots: list[dict[str, Any]]) -> Iterator[Unlock]:
        """What to try on these slots, in this order; the network is asked last."""
        kms = self._default and any(slot.get("kind") == KMS for slot in slots)
        if self._key is not None:
            yield self._key
        elif not kms or (self._path.exists() and not self._given_only):
            self._check_given()
            yield read_key_file(self._path)
        if self._key is None and kms:
            from safepoint.crypto.kms import KmsKey  # late: it loads botocore

            yield KmsKey()

    def for_new_store(self, random: Random) -> Unlock:
        """Makes the key file when it is not there yet: nothing depends on another one yet."""
        if self._key is not None:
            return self._key
        self._check_given()
        if self._given_only or self._path.exists():
            return read_key_file(self._path)
        return make_key_file(self._path, random=random)

    def _check_given(self) -> None:
        """Where the data outlives this machine, its key is not left to chance."""
        if self._given_only and self._default:
            raise InvalidInput(
                "a store in a bucket needs its key to be given, and none is",
                hint="Set SAFEPOINT_PASSPHRASE, or SAFEPOINT_KEY_FILE to a file that "
                "`safepoint keys init` made, or SAFEPOINT_KMS_KEY to a KMS key's ARN; the same "
                "one opens the bucket from every machine.",
                code="no_key_given",
            )


def as_kms_key(key: str | KmsKey) -> KmsKey:
    """The key of this ARN, by the ordinary chain of credentials. Raises InvalidInput."""
    from safepoint.crypto.kms import KmsKey  # late: it loads botocore

    return KmsKey(key) if isinstance(key, str) else key


async def read_manifest(objects: ObjectStore) -> tuple[str, dict[str, Any]] | None:
    """Key and contents of the newest generation, None for a store that was never made.

    Raises Damaged, also when there is data but no manifest.
    """
    listed = await objects.list(MANIFEST_FOLDER)
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
        if await objects.list(MANIFEST_FOLDER) != listed:
            return await read_manifest(objects)  # another process has just set a stump aside
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
    store_id = bytes.fromhex(body["store_id"])
    store_key = await asyncio.to_thread(_unlock, body["slots"], store_id, source, objects.url)
    manifest.check_mac(body, store_key=store_key, key=key)
    if isinstance(objects, MakesDurable):
        await objects.make_durable(key)  # everything that is written from now on depends on it
    return StoreKeys(store_id, store_key)


def _unlock(slots: list[dict[str, Any]], store_id: bytes, source: KeySource, url: str) -> bytes:
    tried: list[str] = []
    for unlock in source.existing(slots):
        store_key = open_slots(slots, unlock, store_id)
        if store_key is not None:
            return store_key
        tried.append(unlock.what)
    kinds = " or ".join(sorted({slot["kind"] for slot in slots}))
    raise WrongKey(
        f"{' and '.join(tried)} does not open the store at {url}; it opens by its {kinds}",
        hint="Give the right SAFEPOINT_KEY_FILE or SAFEPOINT_PASSPHRASE. The data is intact.",
    )


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
        if len(slots) > MAX_SLOTS:
            raise LimitExceeded(
                f"a store has at most {MAX_SLOTS} key slots",
                hint="Remove one that is not used any more, with `safepoint keys remove`.",
            )
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
        whole = (
            len(bytes.fromhex(body["store_id"])) == ID_BYTES
            and 0 < len(slots_of(body)) <= MAX_SLOTS
        )
    except (KeyError, TypeError, ValueError, Damaged):
        whole = False
    if not whole:
        raise Damaged(
            f"{key} is damaged: it has no store id, or no or too many key slots",
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
    """Put if absent. True when the object is ours.

    While it is unclear whether it was stored, the same bytes are sent again: what lands late is
    then settled here, and never met as another's change.
    """
    unknown: OutcomeUnknown | None = None
    for _ in range(_ATTEMPTS):
        try:
            if await objects.put(key, data, if_absent=True, after=after):
                return True
            found = await objects.get(key)
        except OutcomeUnknown as error:
            unknown = error
            continue
        except Unavailable:
            if unknown is None:
                raise
            continue
        if found is not None:
            return found == data
    raise unknown or Unavailable(f"{key} cannot be written: it comes and goes", hint="Try again.")
