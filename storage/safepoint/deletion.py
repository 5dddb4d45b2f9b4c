"""Deleting a workspace: its last version is committed, its keys are destroyed, then its objects go.

After the keys nothing opens what is left, here or in a copy of the bucket without its manifests.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from safepoint.errors import Conflict, Damaged, NotFound
from safepoint.format.keys import (
    artifacts_folder,
    encode_name,
    keys_folder,
    keys_key,
    log_folder,
    page_key,
    summary_key,
    version_of,
)
from safepoint.handle import Handle
from safepoint.log.generations import all_of, put_next, remove_older
from safepoint.log.keys import Tombstone, tombstone_manifest
from safepoint.log.log import Head, Log
from safepoint.log.manifests import newest_keys
from safepoint.log.transitions.delete import Delete
from safepoint.model import Deleted

__all__ = ["delete_workspace"]

_YOUNG = timedelta(hours=1)
_AT_ONCE = 16
_PAGE = 1000
_ATTEMPTS = 20


async def delete_workspace(handle: Handle) -> Deleted:
    """See Store.delete. Stopped anywhere, it is finished by a repeat."""
    log = handle.log
    head = await log.durable_head()
    if head.version == 0:
        await handle.existing()  # raises
    if not head.exists:
        await log.reload_keys()
    kept = await _spared(log, head, handle.now_ms())
    done = (await handle.commit(Delete())).head
    # Listed before the keys go: what a workspace begun after that stores is not its.
    files = await all_of(log.shared.objects, artifacts_folder(handle.name))
    at = datetime.fromtimestamp(handle.now_ms() / 1000, UTC).isoformat(timespec="seconds")
    again = await _destroy_keys(log, Tombstone(at, done.version, done.document.run))
    removed = await _remove_records(log, kept, done.version)
    if not again:
        segment = encode_name(handle.name)
        removed += await _remove(log, [*files, summary_key(segment), page_key(segment)])
    left = len(await log.shared.objects.list(log_folder(handle.name), limit=_PAGE))
    return Deleted(handle.name, done.version, removed, max(0, left - 1))


async def _spared(log: Log, head: Head, now_ms: int) -> int:
    """The first version whose record stays for now: an idle process may have seen the one before
    it within the hour, and would take its number for free."""
    since_ms = now_ms - _YOUNG // timedelta(milliseconds=1)
    deleted = log.keys.deleted if log.keys is not None else None
    if deleted is not None:
        long_ago = datetime.fromisoformat(deleted.at).timestamp() * 1000 < since_ms
        return head.version if long_ago else 1
    for version in range(head.version, 0, -1):
        try:
            record, _ = await log.record(version)
        except NotFound:
            return version + 1
        except Damaged:
            continue  # nobody can tell its age
        if record.at_ms < since_ms:
            return version + 1
    return 1


async def _destroy_keys(log: Log, deleted: Tombstone) -> bool:
    """A manifest without data keys takes the place of all before it, which are removed. Whether
    somebody has begun a workspace of this name again meanwhile."""
    shared, name = log.shared, log.name
    for _ in range(_ATTEMPTS):
        newest = await newest_keys(shared.objects, shared.keys, name)
        keys, key = newest.keys, keys_key(name, newest.generation)
        assert keys is not None  # noqa: S101 - a workspace with versions has keys, or that raises
        if keys.deleted is None and keys.first <= deleted.version:
            base, key = key, keys_key(name, newest.generation + 1)
            data = tombstone_manifest(
                shared.keys, keys, deleted, generation=newest.generation + 1, random=shared.random
            )
            if not await put_next(shared.objects, keys_folder(name), key, data, base=base):
                continue
        await remove_older(shared.objects, keys_folder(name), key)
        return keys.deleted is None and keys.first > deleted.version
    raise Conflict(
        f"the keys of workspace {name!r} are changed all the time",
        hint="End whatever rotates them, and delete again.",
    )


async def _remove_records(log: Log, kept: int, last: int) -> int:
    """Remove the records before version `kept`; that of `last` stays for ever, so that no process
    takes a number of the workspace that was for one of its own."""
    folder, after, removed = log_folder(log.name), "", 0
    while keys := await log.shared.objects.list(folder, after=after, limit=_PAGE):
        removed += await _remove(log, [key for key in keys if version_of(key) < min(kept, last)])
        after = keys[-1]
    return removed


async def _remove(log: Log, keys: list[str]) -> int:
    for first in range(0, len(keys), _AT_ONCE):
        some = keys[first : first + _AT_ONCE]
        await asyncio.gather(*(log.shared.objects.delete(key) for key in some))
    return len(keys)
