"""The workspace manifest: a workspace's id and its data keys, wrapped by the store key.

Or, once the workspace was deleted, only that it was: then nothing opens its records any more.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from safepoint.crypto import manifest
from safepoint.crypto.envelope import Place, Random
from safepoint.crypto.keyring import KEY_BYTES
from safepoint.crypto.storekeys import StoreKeys, number_of
from safepoint.errors import Damaged, LimitExceeded
from safepoint.format.keys import keys_key
from safepoint.values import dataclass

__all__ = [
    "StoreKeys",
    "Tombstone",
    "WorkspaceKeys",
    "name_of",
    "new_manifest",
    "open_manifest",
    "renewed_manifest",
    "tombstone_manifest",
]

KIND = "safepoint workspace"
ID_BYTES = 16
MAX_DATA_KEYS = 256  # each is unwrapped whenever the workspace is opened


@dataclass(frozen=True, slots=True)
class Tombstone:
    """That a workspace was deleted: when, its last version, and its last run."""

    at: str
    version: int
    run: int


@dataclass(frozen=True, slots=True, repr=False)
class WorkspaceKeys:
    """A workspace's id, full name and data keys by id.

    `first` is its first version: above 1 when an earlier workspace of this name was deleted.
    Versions from one of `cuts` on are not deltas of versions before it. `store_key` is the number
    of the store key that wraps them.
    """

    workspace_id: bytes
    name: str
    secrets: Mapping[int, bytes]
    generation: int = 1
    first: int = 1
    cuts: tuple[int, ...] = ()
    deleted: Tombstone | None = None
    store_key: int = 0


def new_manifest(
    store: StoreKeys, name: str, *, at: str, random: Random, generation: int = 1, first: int = 1
) -> tuple[bytes, WorkspaceKeys]:
    """The object of this generation for a new workspace, and what it holds."""
    secrets = {1: random(KEY_BYTES)}
    keys = WorkspaceKeys(random(ID_BYTES), name, secrets, generation, first, store_key=store.number)
    place = _place(store, keys.workspace_id, "data key", "1")
    wrapped = store.seal(place, keys.secrets[1], random=random)
    place = _place(store, keys.workspace_id, "name", "")
    sealed_name = store.seal(place, name.encode(), random=random)
    body = {
        "format": manifest.FORMAT,
        "kind": KIND,
        "workspace_id": keys.workspace_id.hex(),
        "generation": generation,
        "created_at": at,
        "name": _text(sealed_name),
        "keys": [{"id": 1, "created_at": at, "wrapped": _text(wrapped)}],
    }
    if first > 1:
        body["first"] = first
    key = keys_key(name, generation)
    return store.encode(body, key=key), keys


def tombstone_manifest(
    store: StoreKeys, keys: WorkspaceKeys, deleted: Tombstone, *, generation: int, random: Random
) -> bytes:
    """The object of this generation for a workspace that is deleted: it holds no data key."""
    place = _place(store, keys.workspace_id, "name", "")
    sealed_name = store.seal(place, keys.name.encode(), random=random)
    body = {
        "format": manifest.FORMAT,
        "kind": KIND,
        "workspace_id": keys.workspace_id.hex(),
        "generation": generation,
        "created_at": deleted.at,
        "name": _text(sealed_name),
        "keys": [],
        "deleted": {"at": deleted.at, "version": deleted.version, "run": deleted.run},
    }
    key = keys_key(keys.name, generation)
    return store.encode(body, key=key)


def renewed_manifest(
    store: StoreKeys,
    name: str,
    newest: WorkspaceKeys,
    data: bytes,
    *,
    generation: int,
    at: str | None,
    random: Random,
) -> tuple[bytes, WorkspaceKeys]:
    """The object that follows `data`, whose keys are `newest`: the same, wrapped anew by the store
    key in force; with `at`, the time, and one more data key.

    Raises LimitExceeded when there would be too many.
    """
    body = manifest.decode(data, key=keys_key(name, newest.generation), kind=KIND)
    secrets, made = dict(newest.secrets), {one["id"]: one["created_at"] for one in body["keys"]}
    if at is not None:
        if len(secrets) >= MAX_DATA_KEYS:
            raise LimitExceeded(
                f"workspace {name!r} has {len(secrets)} data keys, as many as it can have",
                hint="Export it and import it under another name: that begins with one key.",
                code="too_many_keys",
            )
        number = max(secrets) + 1
        secrets[number], made[number] = random(KEY_BYTES), at
    place = _place(store, newest.workspace_id, "name", "")
    wrapped = {
        number: store.seal(
            _place(store, newest.workspace_id, "data key", str(number)), secret, random=random
        )
        for number, secret in secrets.items()
    }
    body |= {
        "generation": generation,
        "name": _text(store.seal(place, name.encode(), random=random)),
        "keys": [
            {"id": number, "created_at": made[number], "wrapped": _text(wrapped[number])}
            for number in secrets
        ],
    }
    keys = replace(newest, secrets=secrets, generation=generation, store_key=store.number)
    return store.encode(body, key=keys_key(name, generation)), keys


def open_manifest(store: StoreKeys, name: str, generation: int, data: bytes) -> WorkspaceKeys:
    """Raises Damaged unless `data` is the manifest of this workspace in this store."""
    key = keys_key(name, generation)
    body = manifest.decode(data, key=key, kind=KIND)
    store.check(body, key=key)
    keys = _unwrap(store, body, key)
    if keys.name != name:
        raise Damaged(
            f"{key} belongs to a workspace of another name",
            hint="Objects were moved within the store; restore it from a copy.",
            code="not_authentic",
        )
    return keys


def name_of(store: StoreKeys, key: str, data: bytes) -> str:
    """The full name sealed in the manifest that lies under `key`. Raises Damaged."""
    body = manifest.decode(data, key=key, kind=KIND)
    store.check(body, key=key)
    return _unwrap(store, body, key).name


def _unwrap(store: StoreKeys, body: dict[str, Any], key: str) -> WorkspaceKeys:
    workspace_id = bytes.fromhex(body["workspace_id"])
    secrets = {
        entry["id"]: store.open(
            _place(store, workspace_id, "data key", str(entry["id"])), _bytes(entry["wrapped"])
        )
        for entry in body["keys"]
    }
    sealed_name = store.open(_place(store, workspace_id, "name", ""), _bytes(body["name"]))
    deleted = body.get("deleted")
    return WorkspaceKeys(
        workspace_id,
        sealed_name.decode(),
        secrets,
        body["generation"],
        body.get("first", 1),
        tuple(body.get("cuts", ())),
        None if deleted is None else Tombstone(**deleted),
        number_of(body, key),
    )


def _place(store: StoreKeys, workspace_id: bytes, kind: str, key: str) -> Place:
    return Place(store.store_id, workspace_id, kind, key)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
