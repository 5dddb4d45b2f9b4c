"""A numbered series of manifests in one folder: the newest is in force, the next is put if absent.

Generations that were superseded may be removed, oldest first, never the newest.
"""

from __future__ import annotations

from safepoint.errors import OutcomeUnknown, Unavailable
from safepoint.format.keys import generation_of, newest_generation
from safepoint.objects.base import ObjectStore

__all__ = ["all_of", "newest_of", "put_next", "put_ours", "remove_older"]

_PAGE = 1000
_ATTEMPTS = 5


async def all_of(objects: ObjectStore, folder: str) -> list[str]:
    """Every key in `folder`, ascending."""
    found: list[str] = []
    while True:
        page = await objects.list(folder, after=found[-1] if found else "", limit=_PAGE)
        found += page
        if len(page) < _PAGE:
            return found


async def newest_of(objects: ObjectStore, folder: str) -> str | None:
    """The key of the newest generation in `folder`, however many there are; None for none."""
    return newest_generation(await all_of(objects, folder))


async def put_next(objects: ObjectStore, folder: str, key: str, data: bytes, *, base: str) -> bool:
    """Put the generation that follows `base`. True when it is in force, or was built on already.

    Who stalled for long may find its number free again, because later ones replaced it and it was
    removed. Then `base` is gone too: what was put there is removed again, and the answer is False.

    Raises what `put_ours` raises.
    """
    try:
        if not await put_ours(objects, key, data, after=base):
            return False
    except OutcomeUnknown:
        raise
    except Unavailable:
        if base in await all_of(objects, folder):
            raise
        return False
    there = await all_of(objects, folder)
    if newest_generation(there) == key or base in there:
        return True
    await objects.delete(key)
    return False


async def put_ours(
    objects: ObjectStore, key: str, data: bytes, *, after: str | None = None
) -> bool:
    """Put if absent. True when the object is ours.

    While it is unclear whether it was stored, the same bytes are sent again: what lands late is
    then settled here, and never met as another's change.
    """
    unknown: OutcomeUnknown | None = None
    for _ in range(_ATTEMPTS):
        try:
            if await objects.put(key, data, if_absent=True, after=after):
                return True
            found = await objects.get(key)
        except OutcomeUnknown as error:
            unknown = error
            continue
        except Unavailable:
            if unknown is None:
                raise
            continue
        if found is not None:
            return found == data
    raise unknown or Unavailable(f"{key} cannot be written: it comes and goes", hint="Try again.")


async def remove_older(objects: ObjectStore, folder: str, newest: str) -> None:
    """Remove what `newest`, which is durable, supersedes; oldest first, see `put_next`."""
    for key in await all_of(objects, folder):
        if newest_generation([key]) is not None and generation_of(key) < generation_of(newest):
            await objects.delete(key)
