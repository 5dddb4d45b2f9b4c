"""Whether a place keeps the promises that everything rests on. Evidence, not proof."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from safepoint.errors import OutcomeUnknown, Unavailable, Unsupported
from safepoint.objects.base import ObjectStore

__all__ = ["PROBE_FOLDER", "probe"]

PROBE_FOLDER = "probe/"
"""Where probes write, under a fresh random name each; they delete it again where they may."""

_ATTEMPTS = 3
_RACES = 5
_WRITERS = 4


async def probe(objects: ObjectStore, *, thorough: bool = False) -> None:
    """Put one fresh key twice if absent: the second must be refused and change nothing.

    Four requests, one after the other. `thorough`, for new stores and checks, adds writers that
    race for keys, of whom one must win each, and the order and freshness of listings.

    Raises:
        Unsupported: agents would overwrite each other here, or not see each other.
        Unavailable: the place cannot be reached, written or read.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(OutcomeUnknown):  # asked again under another key
            await _refuses_the_second(objects, _fresh())
            break
    else:
        raise Unavailable(
            f"{objects.url} leaves open whether it stored anything, three times in a row",
            hint="Check the network and the server, then call again.",
        )
    if thorough:
        await asyncio.gather(*(_one_writer_wins(objects, _fresh()) for _ in range(_RACES)))
        await _lists_in_order(objects, _fresh())


def _fresh() -> str:
    return PROBE_FOLDER + secrets.token_hex(16)


async def _refuses_the_second(objects: ObjectStore, key: str) -> None:
    first, second = secrets.token_bytes(32), secrets.token_bytes(32)
    try:
        if not await objects.put(key, first, if_absent=True):
            raise _unsupported(objects, "it refused a put under a key that nobody has used")
        if await objects.put(key, second, if_absent=True):
            raise _unsupported(objects, "a second put under one key was accepted")
        if await objects.get(key) != first:
            raise _unsupported(objects, "a refused put changed the object, or it was not kept")
    finally:
        await _remove(objects, key)


async def _one_writer_wins(objects: ObjectStore, key: str) -> None:
    bodies = [secrets.token_bytes(32) for _ in range(_WRITERS)]
    try:
        won = await asyncio.gather(*(objects.put(key, body, if_absent=True) for body in bodies))
        if won.count(True) != 1 or await objects.get(key) != bodies[won.index(True)]:
            raise _unsupported(
                objects, f"of {_WRITERS} writers racing for a key {won.count(True)} won"
            )
    finally:
        await _remove(objects, key)


async def _lists_in_order(objects: ObjectStore, folder: str) -> None:
    prefix = folder + "/"
    names = ("a-b", "a/z", "a0", "b/c", "b/d", "c")
    keys = [prefix + name for name in names]
    try:
        for key in reversed(keys):
            await objects.put(key, b"", if_absent=True)
        pages = [
            await objects.list(prefix),
            await objects.list(prefix, limit=2),
            await objects.list(prefix, after=keys[0], limit=2),
        ]
        folders = await objects.list(prefix, folders=True)
        await objects.delete(keys[-1])
        rest = await objects.list(prefix + "b/", limit=1) + await objects.list(prefix)
    finally:
        await _remove(objects, *keys)
    if [*pages, folders] != [keys, keys[:2], keys[1:3], ["a", "b"]] or rest != [
        prefix + "b/c",
        *keys[:-1],
    ]:
        raise Unsupported(
            f"{objects.url} does not list what is there, at once and in order",
            hint="Use a store that does: Amazon S3 and most S3-compatible servers.",
            code="wrong_listing",
        )


async def _remove(objects: ObjectStore, *keys: str) -> None:
    """Whoever may not delete leaves a few bytes behind."""
    for key in keys:
        with contextlib.suppress(Unavailable):
            await objects.delete(key)


def _unsupported(objects: ObjectStore, what: str) -> Unsupported:
    return Unsupported(
        f"{objects.url} does not enforce conditional puts (If-None-Match: *): {what}. "
        "Agents would overwrite each other's work, so it is not used",
        hint="Use Amazon S3 or a server that enforces them. Some releases of Ceph do so only in "
        "buckets without versioning: try one without.",
        code="no_conditional_put",
    )
