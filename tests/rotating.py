"""What tests of rotated keys look at: which key sealed what, and rotations that stop half-way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from tests.place import Place

from safepoint import Store, Unavailable
from safepoint.crypto.envelope import key_id_of
from safepoint.format.keys import log_key
from safepoint.objects.base import ObjectStore
from safepoint.testing.faults import Crash, Fault, FaultyObjects

FAULTS = [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.LOST_RESPONSE, Fault.TIMED_OUT, Fault.LATE]
Rotate = Callable[[Store], Awaitable[object]]


async def grow(place: Place, name: str = "work", versions: int = 2) -> None:
    async with place.process() as store:
        for number in range(1, versions + 1):
            await store.workspace(name).save({"n": number})


async def states(place: Place, name: str = "work", **options: Any) -> list[Any]:
    """The state at every version, as a fresh process reads it."""
    async with place.process(**options) as store:
        work = store.workspace(name)
        newest = (await work.load()).version
        return [(await work.load(version=one)).state for one in range(1, newest + 1)]


async def record_keys(place: Place, versions: int, name: str = "work") -> list[int]:
    """Which data key sealed each version."""
    found = [await place.objects.get(log_key(name, one)) for one in range(1, versions + 1)]
    return [key_id_of(data, "a record") for data in found if data is not None]


async def store_key_numbers(place: Place) -> dict[str, int]:
    """By manifest: the number of the store key that it was written with."""
    keys = [key for key in await everything(place.objects) if key.endswith(".json")]
    found = {key: await place.objects.get(key) for key in keys}
    return {key: orjson.loads(data).get("store_key", 0) for key, data in found.items() if data}


async def everything(objects: ObjectStore, prefix: str = "") -> list[str]:
    return await objects.list(prefix)


async def interrupt(place: Place, at: int, fault: Fault, rotate: Rotate) -> bool:
    """Rotate, with a fault at one operation; whether there were that many."""
    faulty = FaultyObjects(place.objects)
    try:
        async with place.process(faulty) as store:
            start = faulty.operations
            faulty.schedule = {start + at: fault}
            await rotate(store)
            reached = faulty.operations > start + at
    except (Crash, BaseExceptionGroup, Unavailable):
        reached = True
    await faulty.land()
    return reached
