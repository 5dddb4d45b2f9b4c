"""Deleting a workspace: its keys are destroyed first, and no number or key is ever used twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import Conflict, Damaged, NotFound, Store
from safepoint.errors import SafepointError
from safepoint.format.keys import keys_folder, keys_key, log_folder, log_key
from safepoint.log.keys import open_manifest
from safepoint.objects.base import ObjectStore
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import Crash, Fault, FaultyObjects, GatedObjects

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


NEWEST = log_key("work", 3)
MANIFEST = keys_key("work", 1)


async def flip(objects: ObjectStore, key: str) -> None:
    data = bytearray(await objects.get(key) or b"")
    data[len(data) // 2] ^= 1
    await objects.put(key, bytes(data))


async def truncate(objects: ObjectStore, key: str) -> None:
    await objects.put(key, (await objects.get(key) or b"")[:101])


Damage = Callable[[ObjectStore], Awaitable[object]]
DAMAGES: dict[str, Damage] = {
    "the newest record was flipped": lambda objects: flip(objects, NEWEST),
    "the newest record was cut": lambda objects: truncate(objects, NEWEST),
    "the newest record is of another kind": lambda objects: objects.put(NEWEST, b"broken"),
    "a record before it is gone": lambda objects: objects.delete(log_key("work", 1)),
    "the keys are gone": lambda objects: objects.delete(MANIFEST),
    "the keys were flipped": lambda objects: flip(objects, MANIFEST),
    "the keys were cut": lambda objects: truncate(objects, MANIFEST),
}


async def three_versions(place: Place) -> str:
    """A workspace with a summary, and the idempotency key of its step."""
    async with place.process() as store:
        work = store.workspace("work")
        await work.plan_steps(["pay"])
        key = (await work.start_step("pay")).idempotency_key
        await work.save({"n": 1})
    return key


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_what_does_not_open_is_deleted_like_anything_else(
    place: Place, damage: Damage
) -> None:
    key = await three_versions(place)
    await damage(place.objects)
    async with place.process() as store:
        with pytest.raises(Damaged):
            await store.workspace("work").load()
        deleted = await store.delete("work")
        assert (deleted.version, await names(store)) == (4, [])
        with pytest.raises(NotFound, match="it was deleted"):
            await store.workspace("work").load()
    place.now += timedelta(hours=2)
    async with place.process() as store:
        with pytest.raises(NotFound, match="it was deleted"):
            await store.workspace("work").load()
        assert await names(store) == []
        deleted = await store.delete("work")
        assert (deleted.version, deleted.left) == (4, 0)
        assert await place.objects.list(log_folder("work")) == [log_key("work", 4)]
        (left,) = await place.objects.list("workspaces/work/keys/")
        assert b'"keys":[]' in (await place.objects.get(left) or b"").replace(b" ", b"")
        assert (await store.verify()).problem_count == 0
        work = store.workspace("work")
        assert (await work.save({"n": 2}, expected_version=0)).version == 5
        assert (await work.start_step("pay")).idempotency_key != key
    async with place.process() as store:
        assert (await store.workspace("work").load()).state == {"n": 2}
        assert await names(store) == ["work"]
        assert (await store.verify()).problem_count == 0


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_writer_that_still_opens_what_is_damaged_finds_it_deleted(
    place: Place, damage: Damage
) -> None:
    await three_versions(place)
    async with place.process() as idle, place.process() as store:
        old = idle.workspace("work")
        await old.load()
        await damage(place.objects)
        assert (await store.delete("work")).version == 4
        with pytest.raises(NotFound, match="it was deleted"):
            await old.load()
        with pytest.raises(Conflict, match=r"at version 0\. It was deleted in version 4"):
            await old.save({"n": 2}, expected_version=3)
        assert (await old.save({"n": 2})).version == 5
        assert (await store.workspace("work").load()).state == {"n": 2}


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.LATE])
@pytest.mark.parametrize("damage", ["the newest record was flipped", "the keys are gone"])
async def test_no_writer_commits_to_what_a_failed_deletion_has_begun_to_delete(
    tmp_path: Path, damage: str, fault: Fault
) -> None:
    refused = 0
    for operation in range(100):
        whole = MemoryObjects()
        place = Place(tmp_path, whole)
        await three_versions(place)
        async with place.process() as idle:
            await idle.workspace("work").load()
            await DAMAGES[damage](whole)
            faulty = FaultyObjects(whole, {operation: fault})
            with contextlib.suppress(SafepointError, Crash):
                async with place.process(faulty) as store:
                    await store.delete("work")
            faulty.schedule.clear()
            await faulty.land()
            taken = await whole.get(log_key("work", 4))
            saved = 0
            try:
                saved = (await idle.workspace("work").save({"n": 2})).version
            except Damaged:
                refused += 1
            assert saved != 4 or taken is None
        async with place.process() as store:
            deleted = await store.delete("work")
            assert deleted.version > saved
            assert await names(store) == []
            place.now += timedelta(hours=2)
            await store.delete("work")
            assert await whole.list(log_folder("work")) == [log_key("work", deleted.version)]
            assert len(await whole.list(keys_folder("work"))) == 1
        if faulty.operations <= operation:
            break
    assert operation > 15
    assert refused > 0


async def test_numbers_that_were_seen_and_are_gone_are_not_given_out_again(place: Place) -> None:
    seen = place.folder / "seen"
    async with place.process(seen=seen) as store:
        for number in range(4):
            await store.workspace("work").save({"n": number})
    for version in (2, 3, 4):
        await place.objects.delete(log_key("work", version))
    async with place.process(seen=seen) as store:
        with pytest.raises(Damaged, match="version 4 was seen before"):
            await store.workspace("work").load()
        assert (await store.delete("work")).version == 5
        assert len(await place.objects.list(log_folder("work"))) == 5


async def test_a_deleted_workspace_that_lost_its_last_record_is_deleted_again(
    place: Place,
) -> None:
    await three_versions(place)
    async with place.process() as store:
        await store.delete("work")
    for version in (1, 2, 3, 4):
        await place.objects.delete(log_key("work", version))
    async with place.process() as store:
        with pytest.raises(Damaged, match="was deleted at version 4"):
            await store.workspace("work").load()
        assert (await store.delete("work")).version == 5
        assert (await store.workspace("work").save({})).version == 6


async def test_a_deletion_that_stopped_before_it_destroyed_keys_can_still_be_repaired(
    place: Place,
) -> None:
    await three_versions(place)
    await flip(place.objects, NEWEST)
    operation = 0
    while await place.objects.get(log_key("work", 4)) is None:
        faulty = FaultyObjects(place.objects, {operation: Fault.CRASH_AFTER})
        with contextlib.suppress(Crash):
            async with place.process(faulty) as store:
                await store.delete("work")
        operation += 1
    async with place.process() as store:
        work = store.workspace("work")
        with pytest.raises(Damaged, match="a deletion on 2026-01-01 was not finished"):
            await work.load()
        report = await work.repair()
        assert (report.restored, report.version) == (2, 5)
        assert (await work.load()).version == 5


async def test_a_writer_that_is_faster_than_the_deletion_is_deleted_with_the_rest(
    place: Place,
) -> None:
    await three_versions(place)
    gated = GatedObjects(place.objects)
    async with place.process() as idle, place.process(gated) as store:
        old = idle.workspace("work")
        await old.load()
        await flip(place.objects, NEWEST)
        gate = gated.hold("put", log_key("work", 4))
        deleting = asyncio.create_task(store.delete("work"))
        await gate.reached.wait()
        assert (await old.save({"n": 2})).version == 4
        gate.open()
        assert (await deleting).version == 5
        with pytest.raises(NotFound, match="it was deleted"):
            await old.load()
