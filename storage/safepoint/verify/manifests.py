"""Manifests of the store and of one workspace: the newest is in force, older ones count too."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

from safepoint.crypto import manifest
from safepoint.errors import Damaged, InvalidInput, Unavailable, Unsupported
from safepoint.format.keys import (
    MANIFEST_FOLDER,
    generation_of,
    keys_folder,
    keys_key,
    log_folder,
)
from safepoint.format.record import is_torn
from safepoint.log.generations import all_of, put_next
from safepoint.log.keys import KIND as KEYS_KIND
from safepoint.log.keys import WorkspaceKeys, open_manifest, renewed_manifest
from safepoint.log.manifests import STORE_KIND, check_store_key, newest_keys
from safepoint.log.newest import newest_version
from safepoint.log.shared import Shared
from safepoint.model import Problem
from safepoint.objects.base import SetsAside
from safepoint.verify.aside import keep_aside, replace_object
from safepoint.verify.tally import Tally

__all__ = ["check_store_manifests", "check_workspace_keys", "cut_keys", "mend_manifest"]

_REPLACED = "replaced_store_key"


async def check_store_manifests(shared: Shared, tally: Tally) -> None:
    """Every generation of the store manifest that is there."""

    def read(key: str, data: bytes) -> None:
        shared.keys.check(manifest.decode(data, key=key, kind=STORE_KIND), key=key)

    keys = await _generations(shared, MANIFEST_FOLDER)
    for key in keys:
        await _check(shared, "", key, read, tally, newest=key == keys[-1])


async def check_workspace_keys(shared: Shared, name: str, tally: Tally) -> WorkspaceKeys | None:
    """The keys in force, or what older ones open by; None when nothing opens, which is told."""
    found: list[WorkspaceKeys] = []

    def read(key: str, data: bytes) -> None:
        found.append(open_manifest(shared.keys, name, generation_of(key), data))

    folder = keys_folder(name)
    keys = await _generations(shared, folder)
    versions = await newest_version(shared.objects, log_folder(name))
    for key in keys:
        if (not versions or key != keys[0]) and await _is_stump(shared, key):
            tally.add(stumps=1)
            tally.note(f"{key} is what a power loss left of keys that nothing was sealed with")
            continue
        await _check(shared, name, key, read, tally, newest=key == keys[-1])
    if versions and not keys:
        tally.problem(
            Problem(
                name, folder, "missing", f"{folder} has no keys, though there are versions",
                "nothing of the workspace can be read", _COPY,
            )
        )  # fmt: skip
    return max(found, key=lambda one: one.generation, default=None)


async def mend_manifest(shared: Shared, name: str, key: str) -> str:
    """Set a damaged manifest aside; the newest one that opens takes its place. Gives the place."""
    objects = shared.objects
    data = await objects.get(key)
    good = None
    for other in await _generations(shared, keys_folder(name)):
        found = await objects.get(other) if other != key else None
        with contextlib.suppress(Damaged):
            if found is not None:
                open_manifest(shared.keys, name, generation_of(other), found)
                good = other, found
    if data is None or good is None:
        raise Unavailable(f"{key} is changed by somebody else now", hint="Run the repair again.")
    place = await keep_aside(objects, key, data)
    body = manifest.decode(good[1], key=good[0], kind=KEYS_KIND)
    body["generation"] = generation_of(key)
    await replace_object(objects, key, shared.keys.encode(body, key=key))
    return place


async def cut_keys(shared: Shared, name: str, version: int) -> WorkspaceKeys | None:
    """Keys by which versions from this one on are not deltas of any before it, in force.

    None when other keys came into force meanwhile.
    """
    objects, folder = shared.objects, keys_folder(name)
    newest = await newest_keys(objects, shared.keys, name)
    if newest.keys is None or version in newest.keys.cuts:
        return newest.keys
    generation, base = newest.generation + 1, keys_key(name, newest.generation)
    data, keys = renewed_manifest(
        shared.keys, name, newest.keys, newest.data,
        generation=generation, at=None, random=shared.random,
    )  # fmt: skip
    key = keys_key(name, generation)
    body = manifest.decode(data, key=key, kind=KEYS_KIND)
    cuts = (*keys.cuts, version)
    sealed = shared.keys.encode({**body, "cuts": list(cuts)}, key=key)
    if not await put_next(objects, folder, key, sealed, base=base):
        return None
    await check_store_key(objects, shared.keys)
    return replace(keys, cuts=cuts)


_COPY = "Restore it from a copy of the store: no repair can make up a key."


async def _generations(shared: Shared, folder: str) -> list[str]:
    """The keys of manifests in this folder, oldest first."""
    keys = []
    for key in await all_of(shared.objects, folder):
        try:
            generation_of(key)
        except InvalidInput:
            continue
        keys.append(key)
    return sorted(keys)


async def _check(
    shared: Shared,
    name: str,
    key: str,
    read: Callable[[str, bytes], None],
    tally: Tally,
    *,
    newest: bool,
) -> None:
    where = f"workspace {name!r}" if name else "the store"
    effect = f"nothing now: {where} goes by a newer one"
    remedy = f"Run `safepoint verify {name or 'NAME'} --repair` to set it aside."
    if newest:
        effect = f"{where} does not open, or only as far as older keys reach"
        remedy = _COPY
    for attempt in range(2):  # what was replaced or removed meanwhile is looked at once more
        try:
            data = await shared.objects.get(key)
            if data is None:
                if attempt and key in await _generations(shared, key.rpartition("/")[0] + "/"):
                    raise Damaged(f"{key} is listed, but not there", code="missing")
                if attempt:
                    return
                continue
            read(key, data)
        except Unavailable as error:
            if attempt:
                tally.unread(Problem(name, key, "unread", error.message, effect, error.hint))
        except (Damaged, Unsupported) as error:
            if error.code == _REPLACED:
                tally.note(f"{key} was written with a store key that was replaced; it is not used")
                return
            if attempt:
                what = "unsupported" if isinstance(error, Unsupported) else "damaged"
                tally.problem(Problem(name, key, what, error.message, effect, remedy))
        else:
            tally.add(manifests=1, read_bytes=len(data))
            tally.done()
            return


async def _is_stump(shared: Shared, key: str) -> bool:
    data = await shared.objects.get(key)
    if data is None or not is_torn(data) or not isinstance(shared.objects, SetsAside):
        return False
    try:
        manifest.decode(data, key=key, kind=KEYS_KIND)
    except (Damaged, Unsupported):
        return True
    return False
