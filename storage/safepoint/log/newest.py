"""The newest version of a log, from its keys alone."""

from __future__ import annotations

import contextlib

from safepoint.errors import InvalidInput
from safepoint.format.keys import version_of
from safepoint.objects.base import ObjectStore

__all__ = ["newest_version"]

_LISTED_AT_ONCE = 8


async def newest_version(objects: ObjectStore, folder: str) -> int:
    """The newest version in a log's folder, 0 for none. What is no record's key is no record."""
    after = ""
    while True:
        keys = await objects.list(folder, after=after, limit=_LISTED_AT_ONCE)
        for key in keys:
            with contextlib.suppress(InvalidInput):
                return version_of(key)
        if len(keys) < _LISTED_AT_ONCE:
            return 0
        after = keys[-1]
