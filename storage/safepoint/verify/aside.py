"""Damaged objects are set aside: their bytes are kept below `damaged/`, then their place is taken.

The number of a record is never free on the way, so that no writer takes it for the next one.
"""

from __future__ import annotations

from safepoint.errors import OutcomeUnknown
from safepoint.log.generations import put_ours
from safepoint.objects.base import ObjectStore
from safepoint.verify.places import DAMAGED_FOLDER

__all__ = ["keep_aside", "replace_object"]

_NUMBERS = 1_000_000


async def keep_aside(objects: ObjectStore, key: str, data: bytes) -> str:
    """Where a copy of `data` lies then; the same place when this is repeated."""
    for number in range(1, _NUMBERS):
        place = f"{DAMAGED_FOLDER}{number:06d}/{key}"
        if await objects.get(place) == data or await put_ours(objects, place, data):
            return place
    raise AssertionError("a million damaged copies of one object")


async def replace_object(objects: ObjectStore, key: str, data: bytes) -> None:
    """Put `data` in the place of the object, whose bytes are kept elsewhere."""
    try:
        await objects.put(key, data)
    except OutcomeUnknown:
        if await objects.get(key) != data:
            await objects.put(key, data)
