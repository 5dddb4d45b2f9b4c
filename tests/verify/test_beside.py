"""Verify and repair beside the rest: files, rotated keys, pruning, copies, exports."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place
from tests.verify.broken import NAME, everything, record

from safepoint import Conflict, Damaged, RetentionPolicy
from safepoint.format.keys import artifacts_folder, keys_folder, keys_key
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import GatedObjects
from safepoint.transfer import copy_store, copy_workspaces, export_workspace

pytestmark = pytest.mark.anyio

SIZE = 2_500_000


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_a_damaged_file_is_found_where_it_is_damaged_and_stays_in_the_table(
    place: Place,
) -> None:
    async with place.process() as store:
        work = store.workspace(NAME)
        await work.artifacts.save("plan", b"first")
        await work.artifacts.save("plan", bytes(SIZE))
        whole = await store.verify(deep=True)
        assert (whole.ok, whole.artifacts, whole.artifacts_read) == (True, 2, 2)
        keys = await place.objects.list(artifacts_folder(NAME))
        sizes = {key: len(await place.objects.get(key) or b"") for key in keys}
        (large,) = (key for key in keys if sizes[key] > SIZE)
        data = bytearray(await place.objects.get(large) or b"")
        data[1_500_000] ^= 1
        await place.objects.put(large, bytes(data))
        assert (await store.verify()).ok  # the middle is read only with deep
        (problem,) = (await store.verify(deep=True)).problems
        assert (problem.key, problem.what) == (large, "damaged")
        assert "revision 2 of artifact 'plan' cannot be loaded" in problem.effect
        assert "earlier revisions" in problem.remedy
        await place.objects.put(large, bytes(data)[:-3])
        assert [p.key for p in (await store.verify()).problems] == [large]
        await place.objects.delete(large)
        assert [p.what for p in (await store.verify()).problems] == ["missing"]
        report = await work.repair()
        assert not report.changed
        assert [p.key for p in report.left] == [large]
        assert len((await work.artifacts.revisions("plan")).items) == 2


async def test_rotated_keys_are_all_checked_and_an_old_damaged_manifest_is_mended(
    place: Place,
) -> None:
    async with place.process() as store:
        work = store.workspace(NAME)
        for number in range(3):
            await work.save({"n": number})
            await store.keys.rotate([NAME], keep_old=True)
        keys = await place.objects.list(keys_folder(NAME))
        whole = await store.verify()
        assert whole.ok
        assert whole.manifests == len(keys) + 1
        if len(keys) > 1:
            await place.objects.put(keys[0], b"broken")
            (problem,) = (await store.verify()).problems
            assert (problem.key, problem.effect[:7]) == (keys[0], "nothing")
            report = await work.repair()
            assert [key for key, _ in report.aside] == [keys[0]]
            assert (await store.verify()).ok
        newest = (await place.objects.list(keys_folder(NAME)))[-1]
        await place.objects.put(newest, b"broken")
    async with place.process() as store:
        with pytest.raises(Damaged) as caught:
            await store.workspace(NAME).repair()
        assert caught.value.code == "nothing_intact"


async def test_records_whose_newest_keys_are_gone_are_not_set_aside(place: Place) -> None:
    """They are whole: a copy of the manifest brings them back."""
    async with place.process() as store:
        work = store.workspace(NAME)
        for number in range(3):
            await work.save({"n": number})
            await store.keys.rotate([NAME], keep_old=True)
    newest = (await place.objects.list(keys_folder(NAME)))[-2:]
    kept = {key: await place.objects.get(key) or b"" for key in newest}
    for key in newest:
        await place.objects.delete(key)
    before = await everything(place.objects)
    async with place.process() as store:
        problems = (await store.verify()).problems
        assert [(p.what, p.version) for p in problems] == [("unknown_key", n) for n in (4, 5, 6)]
        with pytest.raises(Damaged) as caught:
            await store.workspace(NAME).repair()
        assert caught.value.code == "nothing_intact"
    assert await everything(place.objects) == before
    for key, data in kept.items():
        await place.objects.put(key, data)
    async with place.process() as store:
        assert (await store.verify()).ok


async def test_a_record_that_is_put_right_during_a_repair_is_not_given_up(place: Place) -> None:
    async with place.process() as store:
        for number in range(1, 6):
            await store.workspace(NAME).save({"n": number})
    whole = await place.objects.get(record(4)) or b""
    await place.objects.put(record(4), b"broken")
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store:
        await store.verify()
        gate = gated.hold("list", f"workspaces/{NAME}/")  # the last look before anything is done
        repairing = asyncio.create_task(store.workspace(NAME).repair())
        await gate.reached.wait()
        await place.objects.put(record(4), whole)
        gate.open()
        assert not (await repairing).changed
        assert (await store.verify()).lost == 0
    assert await place.objects.get(record(4)) == whole


async def test_pruned_versions_are_no_damage_and_a_repair_keeps_them_pruned(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace(NAME)
        for number in range(1, 901):
            await work.save({"n": number}, label="kept" if number == 100 else None)
        place.now += timedelta(days=3)
        await work.save({"n": 901})
        await work.retention.prune(RetentionPolicy(keep_last=20))
        left = [key for key in await everything(place.objects) if "/log/" in key]
        assert len(left) < 600
        report = await store.verify()
        assert (report.problems, report.orphans) == ((), 0)
        assert report.pruned + report.records == 902
        assert report.waiting == len(left) - report.records
        await work.save({"n": 903})
        await place.objects.put(record(903), b"broken")
        assert (await work.verify()).problem_count == 1
    async with place.process() as store:
        work = store.workspace(NAME)
        repaired = await work.repair()
        assert (repaired.restored, repaired.version) == (902, 904)
        assert (await work.load(version=100)).state == {"n": 100}
        assert (await store.verify()).problems == ()


async def test_records_that_are_pruned_while_they_are_verified_raise_no_alarm(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace(NAME)
        for number in range(1, 801):
            await work.save({"n": number})
        place.now += timedelta(days=3)
        await work.save({"n": 801})
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store, place.process() as other:
        gate = gated.hold("get", record(100))
        verifying = asyncio.create_task(store.verify())
        await gate.reached.wait()
        await other.workspace(NAME).retention.prune(RetentionPolicy(keep_last=20))
        assert await place.objects.get(record(100)) is None
        gate.open()
        report = await verifying
        assert (report.problems, report.unread) == ((), ())
        assert report.records < 801


async def repaired(place: Place) -> None:
    async with place.process() as store:
        work = store.workspace(NAME)
        for number in range(1, 261):
            await work.save({"n": number}, label=f"v{number}" if number % 100 == 0 else None)
        await place.objects.put(record(257), b"broken")
        await place.objects.put(record(40), b"broken")
        await place.objects.delete(record(130))
    async with place.process() as store:
        work = store.workspace(NAME)
        assert (await work.repair()).version == 261
        brief = (await work.load()).brief
        assert "Versions 257 to 260 of the workspace were lost" in str(brief.advice)
        await work.save({"n": "on"})
        assert (await work.load()).brief.advice is None


async def test_a_repaired_store_can_be_copied_as_it_is_and_into_other_keys(place: Place) -> None:
    await repaired(place)
    async with place.process() as store:
        copied = MemoryObjects()
        await copy_store(store, copied)
        async with place.process(copied) as there:
            assert (await there.verify()).ok
            assert (await there.workspace(NAME).load()).state == {"n": "on"}
        async with place.process(MemoryObjects()) as other:
            for _ in range(2):
                await copy_workspaces(store, other, [NAME])
                found = await other.verify()
                assert (found.problems, found.lost) == ((), 3)
            work = other.workspace(NAME)
            assert (await work.load()).state == {"n": "on"}
            assert (await work.load(version=256)).state == {"n": 256}
            assert (await work.save({"n": "there"})).version == 263


async def test_a_repaired_workspace_can_be_exported(place: Place, tmp_path: Path) -> None:
    await repaired(place)
    async with place.process() as store:
        exported = await export_workspace(store, NAME, tmp_path / "exported")
        assert exported.version == 262


async def test_the_keys_of_a_workspace_that_has_none_any_more_cannot_be_made_up(
    place: Place,
) -> None:
    async with place.process() as store:
        await store.workspace(NAME).save({"n": 1})
    await place.objects.delete(keys_key(NAME, 1))
    async with place.process() as store:
        (problem,) = (await store.verify()).problems
        assert "no keys" in problem.detail
        with pytest.raises(Damaged, match="no key of it opens"):
            await store.workspace(NAME).repair()


async def test_what_is_kept_of_a_block_whose_last_version_is_lost_is_listed(place: Place) -> None:
    """256 is a delta of 255. The index of the block is then in the newest version that was kept."""
    async with place.process() as store:
        for number in range(1, 781):
            label = "kept" if number in (200, 230) else None
            await store.workspace(NAME).save({"n": number}, label=label)
        await place.objects.put(record(255), b"broken")
    async with place.process() as store:
        work = store.workspace(NAME)
        await work.repair()
        place.now += timedelta(days=3)
        await work.save({"n": 781})
        await work.retention.prune(RetentionPolicy(keep_last=1))
        assert await place.objects.get(record(254)) is None
        found = (await work.checkpoints(limit=10)).items
        assert [one.version for one in found] == [781, 230, 200]


async def test_a_version_that_is_committed_while_the_next_is_restored_stays_readable(
    place: Place,
) -> None:
    """Whoever knows the lost ones in memory goes on; deltas begin anew after a repair only."""
    gated = GatedObjects(place.objects)
    async with place.process() as warm, place.process(gated) as store:
        work = warm.workspace(NAME)
        for number in range(1, 8):
            await work.save({"n": number})
        whole = await place.objects.get(record(7)) or b""
        await place.objects.put(record(7), b"broken")
        gate = gated.hold("put", record(8))
        repairing = asyncio.create_task(store.workspace(NAME).repair())
        await gate.reached.wait()
        assert (await work.save({"n": "on"})).version == 8
        gate.open()
        repaired = await repairing
        assert (repaired.restored, repaired.version) == (6, 9)
        assert repaired.lost == ((7, 8),)
    assert await place.objects.get("damaged/000001/" + record(7)) == b"broken"
    await place.objects.put(record(7), whole)
    async with place.process() as store:
        assert (await store.workspace(NAME).load(version=8)).state == {"n": "on"}
        assert (await store.workspace(NAME).load()).state == {"n": 6}


@pytest.mark.parametrize("resealed", [False, True])
@pytest.mark.parametrize("own", [0, 1, 3])
async def test_a_copy_that_went_its_own_way_is_not_told_of_the_repair(
    place: Place, resealed: bool, own: int
) -> None:
    """Its versions after the cut are deltas of what the source has lost."""
    copied = MemoryObjects()
    async with place.process() as store, AsyncExitStack() as stack:
        for number in range(1, 8):
            await store.workspace(NAME).save({"n": number})
        if resealed:
            there = await stack.enter_async_context(place.process(copied))
            await copy_workspaces(store, there, [NAME])
        else:
            await copy_store(store, copied)
        await place.objects.put(record(7), b"broken")
    async with place.process() as store, place.process(copied) as there:
        await store.workspace(NAME).repair()
        for number in range(own):
            await there.workspace(NAME).save({"own": number})
        with pytest.raises(Conflict) as caught:
            await (copy_workspaces(store, there, [NAME]) if resealed else copy_store(store, copied))
        assert caught.value.code == "history_differs"
        assert (await there.workspace(NAME).save({"own": "more"})).version == 8 + own
    async with place.process(copied) as there:
        assert (await there.workspace(NAME).load()).state == {"own": "more"}
        assert (await there.verify()).ok
