"""A fork that stops at any operation, or loses any answer, is completed by a repeat."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.place import Place

from safepoint import Forked, LimitExceeded, SafepointError, Store
from safepoint.format.keys import artifacts_folder
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import CountingObjects, Crash, Fault, FaultyObjects

pytestmark = pytest.mark.anyio


async def origin(folder: Path) -> Place:
    """`work` at version 4, with a file and a step under way."""
    place = Place(folder, MemoryObjects())
    async with place.process() as store:
        work = store.workspace("work")
        await work.plan_steps(["send"])
        await work.save({"page": 1})
        await work.artifacts.save("notes.txt", b"one")
        await work.start_step("send")
    return place


async def fork(store: Store) -> Forked:
    return await store.workspace("work").fork("copy", version=4)


async def operations(folder: Path) -> tuple[int, int]:
    """How many operations opening takes, and opening and forking."""
    place = await origin(folder)
    counting = CountingObjects(place.objects)
    async with place.process(counting) as store:
        opening = len(counting.operations)
        await fork(store)
    return opening, len(counting.operations)


async def check(place: Place, forked: Forked) -> None:
    """Both workspaces are whole, one fork was made, and both tell of it once."""
    assert (forked.origin_version, forked.artifacts) == (4, 1)
    async with place.process() as store:
        work, copy = store.workspace("work"), store.workspace("copy")
        assert (await copy.load()).state == {"page": 1}
        assert await copy.artifacts.load("notes.txt") == b"one"
        assert [event.kind for event in (await copy.history()).items] == ["fork"]
        kinds = [event.kind for event in (await work.history()).items]
        assert kinds == ["forked", "start", "artifact", "save", "plan"]
        assert (await fork(store)).repeated


@pytest.mark.parametrize("fault", list(Fault))
async def test_whatever_goes_wrong_a_repeat_completes_it(tmp_path: Path, fault: Fault) -> None:
    first, last = await operations(tmp_path)
    assert last - first > 8
    for operation in range(first, last):
        place = await origin(tmp_path)
        faulty = FaultyObjects(place.objects, {operation: fault})
        try:
            async with place.process(faulty) as store:
                await fork(store)
        except (SafepointError, Crash):
            pass
        await faulty.land()
        async with place.process() as store:
            forked = await fork(store)
        await check(place, forked)


async def test_files_of_a_fork_that_was_refused_are_removed(tmp_path: Path) -> None:
    place = await origin(tmp_path)
    async with place.process() as store:
        with pytest.raises(LimitExceeded):
            await store.workspace("work").fork("copy", version=4, reason="x" * 10_000)
    assert await place.objects.list(artifacts_folder("copy")) == []
