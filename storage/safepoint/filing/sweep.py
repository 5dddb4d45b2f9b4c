"""Objects that no table names: uploads whose commit never came, and what retention took."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from safepoint.format.keys import artifacts_folder
from safepoint.log.log import Log
from safepoint.objects.base import StreamStore, TellsAge

__all__ = ["SAFE_AGE", "orphans", "sweep_artifacts", "sweep_uploads"]

SAFE_AGE: Final = timedelta(days=1)
"""Twice as long as an object may lie in the store before a commit names it."""

_PAGE: Final = 1000
_AT_ONCE: Final = 16


async def orphans(log: Log) -> list[str]:
    """The keys of objects that the workspace's newest version does not name, however young.

    Listed before that version is read: what it names is never among them.
    """
    folder, after = artifacts_folder(log.name), ""
    listed: list[str] = []
    while keys := await log.shared.objects.list(folder, after=after, limit=_PAGE):
        listed += keys
        after = keys[-1]
    if not listed:
        return []
    table = (await log.durable_head()).document.artifacts
    named = {entry.id for revisions in table.values() for entry in revisions}
    return [key for key in listed if key.rpartition("/")[2] not in named]


async def sweep_artifacts(log: Log, *, older_than: timedelta = SAFE_AGE) -> int:
    """Remove the orphans that have lain in the store for so long; how many.

    By the place's own clock. An upload that goes on has no object yet, in whatever process, and one
    that is done is committed at once or never. A store that knows no ages keeps all.

    Raises what `Log.head` raises: of a workspace that cannot be read nothing is removed.
    """
    objects = log.shared.objects
    if not isinstance(objects, TellsAge):
        return 0
    found = await orphans(log)
    removed = 0
    for first in range(0, len(found), _AT_ONCE):
        some = found[first : first + _AT_ONCE]
        ages = await asyncio.gather(*(objects.age(key) for key in some))
        old = [
            key for key, age in zip(some, ages, strict=True) if age is not None and age > older_than
        ]
        await asyncio.gather(*(objects.delete(key) for key in old))
        removed += len(old)
    return removed


async def sweep_uploads(log: Log, *, older_than: timedelta = SAFE_AGE) -> int:
    """End the uploads of the whole store that nobody has gone on with for so long; how many."""
    objects = log.shared.objects
    return await objects.sweep(older_than=older_than) if isinstance(objects, StreamStore) else 0
