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
    log_folder,
    page_key,
    summary_key,
    version_of,
)
from safepoint.handle import Handle
from safepoint.log.burial import destroy_keys, take_last_number
from safepoint.log.generations import all_of
from safepoint.log.keys import Tombstone
from safepoint.log.log import Head, Log
from safepoint.log.transitions.delete import Delete
from safepoint.model import Deleted
from safepoint.values import dataclass

__all__ = ["delete_workspace"]

_YOUNG = timedelta(hours=1)
_AT_ONCE = 16
_READ_AT_ONCE = 32
_PAGE = 1000
_ATTEMPTS = 20


async def delete_workspace(handle: Handle) -> Deleted:
    """See Store.delete. Stopped anywhere, it is finished by a repeat."""
    log, objects = handle.log, handle.log.shared.objects
    for _ in range(_ATTEMPTS):
        end = await _end(handle)
        if end is not None:
            break
    else:
        raise Conflict(
            f"workspace {handle.name!r} was written to all the while",
            hint="Delete it again.",
            code="contention",
        )
    # Listed before the keys go: what a workspace begun after that stores is not its.
    files = await all_of(objects, artifacts_folder(handle.name))
    at = datetime.fromtimestamp(handle.now_ms() / 1000, UTC).isoformat(timespec="seconds")
    deleted = Tombstone(at, end.version, end.run)
    again = await destroy_keys(log, deleted, damaged=end.damaged)
    if end.damaged:
        log.forget()
        log.shared.committed(log, await log.head())
    removed = await _remove_records(log, end.kept, end.version)
    if not again:
        segment = encode_name(handle.name)
        removed += await _remove(log, [*files, summary_key(segment), page_key(segment)])
    left = len(await objects.list(log_folder(handle.name), limit=_PAGE))
    return Deleted(handle.name, end.version, removed, max(0, left - 1))


@dataclass(frozen=True, slots=True)
class _End:
    """The last version and run, and the first version whose record stays for now."""

    version: int
    run: int
    kept: int
    damaged: bool = False


async def _end(handle: Handle) -> _End | None:
    """Make the last version. None when a writer was faster, so that it has to be looked at anew."""
    log = handle.log
    try:
        head = await log.durable_head()
        if head.version == 0:
            await handle.existing()  # raises
        if not head.exists:
            await log.reload_keys()
        kept = await _spared(log, head, handle.now_ms())
        done = (await handle.commit(Delete())).head
    except Damaged:
        version = await take_last_number(log, handle.actor, now_ms=handle.now_ms())
        # A version begins one run at most, so that no run was numbered higher. The age of records
        # is not known: all of them stay for the hour.
        return None if version is None else _End(version, run=version, kept=1, damaged=True)
    return _End(done.version, done.document.run, kept)


async def _spared(log: Log, head: Head, now_ms: int) -> int:
    """The first version whose record stays for now: an idle process may have seen the one before
    it within the hour, and would take its number for free."""
    since_ms = now_ms - _YOUNG // timedelta(milliseconds=1)
    deleted = log.keys.deleted if log.keys is not None else None
    if deleted is not None:
        long_ago = datetime.fromisoformat(deleted.at).timestamp() * 1000 < since_ms
        return head.version if long_ago else 1
    last, width = head.version, 1
    while last > 0:
        window = range(last, max(0, last - width), -1)
        ages = await asyncio.gather(*(_written_ms(log, version) for version in window))
        for version, at_ms in zip(window, ages, strict=True):
            if at_ms is not None and at_ms < since_ms:
                return version + 1
        last, width = last - width, min(2 * width, _READ_AT_ONCE)
    return 1


async def _written_ms(log: Log, version: int) -> int | None:
    """When the record was written, 0 for one that is pruned; None when nobody can tell."""
    try:
        record, _ = await log.record(version)
    except NotFound:
        return 0
    except Damaged:
        return None
    return record.at_ms


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
