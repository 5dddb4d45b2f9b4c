"""Which workspace manifest is in force, and whether the store key that wraps it still is."""

from __future__ import annotations

from safepoint.crypto import manifest
from safepoint.crypto.storekeys import StoreKeys, changed, number_of
from safepoint.errors import Damaged, InvalidInput, Unavailable
from safepoint.format.keys import MANIFEST_FOLDER, generation_of, keys_folder
from safepoint.log.generations import all_of, newest_of
from safepoint.log.keys import WorkspaceKeys, open_manifest
from safepoint.log.stump import set_aside_stump
from safepoint.objects.base import MakesDurable, ObjectStore
from safepoint.values import dataclass

__all__ = ["STORE_KIND", "Newest", "check_store_key", "make_durable", "newest_keys"]

STORE_KIND = "safepoint store"
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, repr=False)
class Newest:
    """The newest manifest of a workspace: its number, 0 for none, its bytes and its keys."""

    generation: int = 0
    data: bytes = b""
    keys: WorkspaceKeys | None = None


async def newest_keys(
    objects: ObjectStore,
    store: StoreKeys,
    name: str,
    *,
    listed: list[str] | None = None,
    begun: bool | None = True,
) -> Newest:
    """The manifest in force. `listed` are the keys in its folder, as of a moment ago; `begun` says
    whether the workspace has versions, None that this is not known and nothing is to be changed.

    A stump that a power loss left is set aside where nothing depends on it: before the first
    version, and where there is an earlier generation, since nobody seals by keys that are not
    durable. What a program that still holds a replaced store key has left there is passed over.

    Raises:
        Damaged: it is not what was written.
        WrongKey: the store key was changed (`store_key_changed`).
    """
    for _ in range(_ATTEMPTS):
        if listed is None:
            listed = await all_of(objects, keys_folder(name))
        numbers = sorted(filter(None, map(_number, listed)), reverse=True)
        try:
            return await _first_that_opens(objects, store, name, numbers, begun=begun)
        except _Moved as moved:
            again = await all_of(objects, keys_folder(name))
            if again == listed:
                raise Damaged(
                    f"{moved} is missing, though it was listed",
                    hint="Restore it from a copy of the store.",
                    code="missing_keys",
                ) from None
            listed = again
    raise Unavailable(f"the keys of workspace {name!r} are changed all the time", hint="Try again.")


async def _first_that_opens(
    objects: ObjectStore, store: StoreKeys, name: str, numbers: list[int], *, begun: bool | None
) -> Newest:
    replaced: Damaged | None = None
    for position, number in enumerate(numbers):
        key = f"{keys_folder(name)}{number:06d}.json"
        data = await objects.get(key)
        if data is None:
            raise _Moved(key)
        try:
            return Newest(numbers[0], data, open_manifest(store, name, number, data))
        except Damaged as error:
            if error.code == "replaced_store_key":
                replaced = replaced or error
                continue
            earlier = position + 1 < len(numbers)
            if begun is None or (begun and not earlier):
                raise
            if not await set_aside_stump(objects, key, data):
                raise
            return await _first_that_opens(
                objects, store, name, numbers[position + 1 :], begun=begun
            )
    if replaced is not None and begun:
        raise replaced
    return Newest(numbers[0] if numbers else 0)


class _Moved(Exception):
    """A key that was listed is not there."""


async def make_durable(objects: ObjectStore, key: str) -> None:
    """Make this manifest durable; or if it was removed since, so is the one that replaced it, and
    that holds all its keys."""
    if isinstance(objects, MakesDurable):
        try:
            await objects.make_durable(key)
        except Unavailable:
            if await objects.get(key) is not None:
                raise


async def check_store_key(objects: ObjectStore, store: StoreKeys) -> None:
    """Raises WrongKey (`store_key_changed`) when the store key in force is not one of these.

    To be called after a manifest was put and before anything depends on it: who changes the store
    key later finds that manifest.
    """
    while True:
        key = await newest_of(objects, MANIFEST_FOLDER)
        if key is None or generation_of(key) == store.generation:
            return
        data = await objects.get(key)
        if data is not None:
            break
    if number_of(manifest.decode(data, key=key, kind=STORE_KIND), key) > store.number:
        raise changed(key)
    store.generation = max(store.generation, generation_of(key))


def _number(key: str) -> int | None:
    try:
        return generation_of(key)
    except InvalidInput:
        return None
