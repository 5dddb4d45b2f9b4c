"""The end of a deleted workspace in its store: its last number is taken, its keys are destroyed.

Also of one that does not open: neither needs what its records or manifests hold.
"""

from __future__ import annotations

from safepoint.errors import Conflict, Damaged, InvalidInput
from safepoint.format.keys import generation_of, keys_folder, keys_key, log_folder, log_key
from safepoint.log.generations import all_of, put_next, put_ours, remove_older
from safepoint.log.keys import ID_BYTES, Tombstone, WorkspaceKeys, tombstone_manifest
from safepoint.log.log import Log
from safepoint.log.lost import DELETION, seal_lost
from safepoint.log.manifests import newest_keys
from safepoint.log.newest import newest_version
from safepoint.model import Actor

__all__ = ["destroy_keys", "take_last_number"]

_ATTEMPTS = 20
_AHEAD = 100
"""How far the manifest is numbered ahead where newer ones than are left may have been lost: a
process that holds one of them has to take this for newer."""


async def take_last_number(log: Log, actor: Actor, *, now_ms: int) -> int | None:
    """Take the number after the newest of a log that does not open, so that no writer gets it who
    still opens what is damaged now. The number; None when a writer was faster.

    Numbers that were seen and are gone are taken too, lowest first; not those of an earlier
    workspace of this name.
    """
    shared, known, keys = log.shared, log.known(), log.keys
    seen = max(await shared.seen.version(log.name), known.version if known is not None else 0)
    newest = await newest_version(shared.objects, log_folder(log.name))
    if keys is not None:
        earlier = keys.first - 1 if keys.deleted is None else keys.deleted.version
        newest = max(newest, earlier)
    last = max(seen, newest) + 1
    for version in range(newest + 1, last + 1):
        data = _taken(log, version, actor, now_ms)
        if not await put_ours(shared.objects, log_key(log.name, version), data):
            return None
    shared.seen.note(log.name, last)
    return last


def _taken(log: Log, version: int, actor: Actor, now_ms: int) -> bytes:
    """Where its keys are known, what a repair understands should the deletion stop here."""
    random = log.shared.random
    if log.codec is None:
        return b"This number was taken by a deletion: " + random(ID_BYTES).hex().encode() + b"\n"
    event: dict[str, object] = {"what": DELETION, "actor": {"name": actor.name}}
    return seal_lost(log.codec, version, event, at_ms=now_ms, random=random)


async def destroy_keys(log: Log, deleted: Tombstone, *, damaged: bool) -> bool:
    """A manifest without data keys takes the place of all before it, which are removed. Whether
    somebody has begun a workspace of this name again meanwhile.

    `damaged` says that manifests may be lost or not open.
    """
    shared, name = log.shared, log.name
    objects, folder = shared.objects, keys_folder(name)
    for _ in range(_ATTEMPTS):
        generation, keys = await _newest(log, damaged=damaged)
        key = keys_key(name, generation) if generation else ""
        if keys is None or _is_before(keys, deleted):
            base, generation = key, generation + (_AHEAD if damaged else 1)
            key = keys_key(name, generation)
            data = tombstone_manifest(
                shared.keys,
                keys or WorkspaceKeys(shared.random(ID_BYTES), name, {}),
                deleted,
                generation=generation,
                random=shared.random,
            )
            if damaged:
                ours = await put_ours(objects, key, data)
            else:
                ours = await put_next(objects, folder, key, data, base=base)
            if not ours:
                continue
        await remove_older(objects, folder, key)
        if damaged:  # a rotation may have put one between; from now on its base is gone
            await remove_older(objects, folder, key)
        return keys is not None and keys.deleted is None and keys.first > deleted.version
    raise Conflict(
        f"the keys of workspace {name!r} are changed all the time",
        hint="End whatever rotates them, and delete again.",
    )


def _is_before(keys: WorkspaceKeys, deleted: Tombstone) -> bool:
    """Whether these are of what is deleted, or of an earlier deletion."""
    if keys.deleted is not None:
        return keys.deleted.version < deleted.version
    return keys.first <= deleted.version


async def _newest(log: Log, *, damaged: bool) -> tuple[int, WorkspaceKeys | None]:
    """The number of the newest manifest, 0 for none, and its keys; None where nothing opens."""
    shared = log.shared
    try:
        newest = await newest_keys(shared.objects, shared.keys, log.name)
        if newest.keys is not None or damaged:
            return max(newest.generation, log.generation), newest.keys
        raise Damaged(
            f"{keys_folder(log.name)} has no keys any more",
            hint="Delete the workspace again.",
            code="missing_keys",
        )
    except Damaged:
        if not damaged:
            raise
    numbers = [log.generation]
    for key in await all_of(shared.objects, keys_folder(log.name)):
        try:
            numbers.append(generation_of(key))
        except InvalidInput:
            continue
    return max(numbers), None
