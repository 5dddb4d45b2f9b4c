"""Manifests of the store and of one workspace: the newest is in force, older ones count too."""

from __future__ import annotations

from collections.abc import Callable

from safepoint.crypto import manifest
from safepoint.errors import Damaged, InvalidInput, Unavailable, Unsupported
from safepoint.format.keys import (
    MANIFEST_FOLDER,
    generation_of,
    keys_folder,
    log_folder,
)
from safepoint.format.record import is_torn
from safepoint.log.generations import all_of
from safepoint.log.keys import WorkspaceKeys, open_manifest
from safepoint.log.log import Shared, newest_version
from safepoint.model import Problem
from safepoint.verify.tally import Tally

__all__ = ["STORE_KIND", "check_store_manifests", "check_workspace_keys"]

STORE_KIND = "safepoint store"
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
        if not versions and await _is_stump(shared, key):
            tally.add(stumps=1)
            tally.note(f"{key} is what a power loss left of a workspace that was being made")
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
            if error.code == _REPLACED and not newest:
                tally.note(f"{key} is older than the store key in force, and not used")
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
    return data is not None and is_torn(data)
