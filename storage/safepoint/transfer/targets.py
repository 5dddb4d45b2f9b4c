"""The place that a store is copied to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from safepoint.address import open_place
from safepoint.errors import InvalidInput
from safepoint.manifest import read_manifest
from safepoint.objects.base import ObjectStore
from safepoint.objects.probe import probe

__all__ = ["open_target", "store_id_at"]


@asynccontextmanager
async def open_target(url: str | Path) -> AsyncIterator[ObjectStore]:
    """The objects at an address, as `copy_store` takes them; it need not hold a store yet.

    Raises:
        InvalidInput: it is no address, or that of a store that ends with this process.
        Unsupported: the place does not enforce conditional puts.
        Unavailable: it cannot be reached or written.
    """
    place = await open_place(url, create=True)
    try:
        if place.private:
            raise InvalidInput(
                "a copy in memory would be gone at once",
                hint="Name a folder, or s3://bucket/prefix.",
                code="bad_url",
            )
        if place.foreign:
            await probe(place.objects, thorough=await store_id_at(place.objects) is None)
        yield place.objects
    finally:
        await place.objects.close()


async def store_id_at(objects: ObjectStore) -> str | None:
    """The id of the store there, None for a place without one. Needs no key."""
    found = await read_manifest(objects)
    return None if found is None else str(found[1]["store_id"])
