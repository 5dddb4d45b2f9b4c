"""Deleting a workspace: its keys are destroyed first, and no number or key is ever used twice."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import Conflict, NotFound, Store
from safepoint.errors import SafepointError
from safepoint.format.keys import keys_folder, log_folder, log_key
from safepoint.log.keys import open_manifest
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import Crash, Fault, FaultyObjects

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def names(store: Store) -> list[str]:
    listed = [info.name for info in (await store.workspaces()).items]
    assert listed == [name async for name in store.names()]
    return listed


async def test_nothing_of_a_deleted_workspace_is_left_that_can_be_read(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace("work")
        for number in range(300):
            await work.save({"n": number}, summary="secret plan")
        await store.workspace("other").save({"n": 1})
        place.now += timedelta(hours=2)
        deleted = await store.delete("work")
        assert (deleted.version, deleted.left) == (301, 0)
        assert await names(store) == ["other"]
        with pytest.raises(NotFound, match="it was deleted"):
            await work.load()
    keys = await place.objects.list(keys_folder("work"))
    assert len(keys) == 1
    assert await place.objects.list(log_folder("work")) == [log_key("work", 301)]
    async with place.process() as store:
        data = await place.objects.get(keys[0])
        assert data is not None
        assert open_manifest(store.shared.keys, "work", 2, data).secrets == {}
        assert await names(store) == ["other"]
        assert await store.closest_names("work") == ("other",)
        with pytest.raises(NotFound, match="it was deleted"):
            await store.workspace("work").history()


async def test_what_was_never_there_cannot_be_deleted(place: Place) -> None:
    async with place.process() as store:
        with pytest.raises(NotFound, match="no workspace 'work'"):
            await store.delete("work")
        assert await place.objects.list("workspaces/") == []


async def test_a_writer_that_knew_the_workspace_finds_it_gone_and_begins_another(
    place: Place,
) -> None:
    async with place.process() as idle, place.process() as store:
        old = idle.workspace("work")
        await old.plan_steps(["pay"])
        key = (await old.start_step("pay")).idempotency_key
        await store.workspace("work").save({"n": 1})
        await store.delete("work")
        with pytest.raises(NotFound, match="it was deleted"):
            await old.load()
        with pytest.raises(Conflict, match="at version 0"):
            await old.save({"n": 2}, expected_version=3)
        saved = await old.save({"n": 2}, expected_version=0)
        assert (saved.version, saved.run) == (5, 2)
        assert (await old.start_step("pay")).idempotency_key != key
        assert (await store.workspace("work").load()).state == {"n": 2}
    async with place.process() as store:
        work = store.workspace("work")
        assert await names(store) == ["work"]
        assert (await work.load()).state == {"n": 2}
        assert [event.version for event in (await work.history()).items] == [6, 5]
        assert [entry.version for entry in (await work.checkpoints()).items] == [5]
        for version in (1, 3, 4):
            with pytest.raises(NotFound, match=f"no version {version}"):
                await work.load(version=version)
        for number in range(300):
            await work.save({"n": number})
    async with place.process() as store:
        work = store.workspace("work")
        assert (await work.load(version=200)).state == {"n": 193}
        assert (await work.load(version=6)).version == 6
        await store.delete("work")
        assert (await work.save([])).version == 308


async def test_records_of_the_last_hour_keep_their_numbers_taken(place: Place) -> None:
    async with place.process() as store, place.process() as idle:
        work = store.workspace("work")
        await work.save({"n": 0})
        place.now += timedelta(hours=2)
        for number in range(1, 4):
            await work.save({"n": number})
        await idle.workspace("work").load()
        for number in range(4, 8):
            await work.save({"n": number})
        deleted = await store.delete("work")
        assert (deleted.version, deleted.left) == (9, 7)
        with pytest.raises(NotFound, match="it was deleted"):
            await idle.workspace("work").load()
        assert (await store.delete("work")).left == 7
        place.now += timedelta(hours=2)
        assert (await store.delete("work")).left == 0
        assert (await store.workspace("work").save({})).version == 10


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("local", [False, True])
async def test_a_deletion_that_failed_anywhere_is_finished_by_a_repeat(
    tmp_path: Path, local: bool, fault: Fault
) -> None:
    for operation in range(100):
        folder = tmp_path / str(operation)
        folder.mkdir()
        whole = LocalObjects(folder / "store") if local else MemoryObjects()
        place = Place(folder, whole)
        async with place.process() as store:
            await store.workspace("work").save({"n": 1})
            await store.workspace("work").save({"n": 2})
        place.now += timedelta(hours=2)
        faulty = FaultyObjects(whole, {operation: fault})
        with contextlib.suppress(SafepointError, Crash):
            async with place.process(faulty) as store:
                await store.delete("work")
        faulty.schedule.clear()
        await faulty.land()
        async with place.process() as store:
            await store.delete("work")
            assert await names(store) == []
            place.now += timedelta(hours=2)
            await store.delete("work")
            assert await whole.list(log_folder("work")) == [log_key("work", 3)]
            assert len(await whole.list(keys_folder("work"))) == 1
        if faulty.operations <= operation:
            break
    assert operation > 15


async def test_numbers_before_a_damaged_record_stay_taken_like_others(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace("work")
        for number in range(1, 9):
            await work.save({"n": number})
        await place.objects.put(log_key("work", 5), b"broken")
        assert (await store.delete("work")).left == 8
