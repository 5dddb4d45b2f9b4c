"""Reading costs what it should: two rounds when cold, one request when warm, at any length."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import Damaged, Store
from safepoint.format.keys import chain_of, keys_folder, keys_key, log_folder, log_key
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import CountingObjects, GatedObjects

pytestmark = pytest.mark.anyio

KEYS = [keys_key("work", 1)]


async def copy_of(objects: MemoryObjects, *, up_to: int | None = None) -> MemoryObjects:
    """The same objects, without the versions after `up_to`."""
    copied = MemoryObjects()
    for folder in ("safepoint/", "workspaces/"):
        for key in await objects.list(folder, limit=10_000):
            data = await objects.get(key)
            assert data is not None
            if up_to is None or "/log/" not in key or int(key[-8:]) <= up_to:
                await copied.put(key, data)
    return copied


async def grow(place: Place, versions: int, name: str = "work") -> None:
    async with place.process() as store:
        for _ in range(versions):
            await store.workspace(name).save({"n": versions})


@pytest.mark.parametrize("version", [1, 10, 256, 257, 600])
async def test_a_cold_load_takes_two_rounds_of_requests_at_once(
    versions_600: Place, version: int
) -> None:
    inner = await copy_of(versions_600.objects, up_to=version)
    gated = GatedObjects(inner)
    counting = CountingObjects(gated)
    async with versions_600.process(counting) as store:
        counting.clear()
        first = [gated.hold("list", folder) for folder in (log_folder("work"), keys_folder("work"))]
        wanted = [log_key("work", one) for one in chain_of(version)] + KEYS
        second = [gated.hold("get", key) for key in wanted]
        loading = asyncio.create_task(store.workspace("work").load())
        for round_of_requests in (first, second):
            async with asyncio.timeout(30):
                await asyncio.gather(*(gate.reached.wait() for gate in round_of_requests))
            for gate in round_of_requests:
                gate.open()
        assert (await loading).state == {"version": version, "pages": list(range(version))}
    assert Counter(o.verb for o in counting.operations) == {"list": 2, "get": len(wanted)}


@pytest.mark.parametrize("version", [10, 255, 256, 600])
async def test_a_warm_save_is_one_put_and_a_warm_load_one_get(
    versions_600: Place, version: int
) -> None:
    counting = CountingObjects(await copy_of(versions_600.objects, up_to=version))
    async with versions_600.process(counting) as store:
        work = store.workspace("work")
        await work.load()
        for _ in range(3):
            counting.clear()
            saved = await work.save({"again": True})
            assert counting.operations == [("put", log_key("work", saved.version))]
            counting.clear()
            await work.load()
            assert counting.operations == [("get", log_key("work", saved.version + 1))]


async def test_no_version_is_rebuilt_from_more_than_nine_records(versions_600: Place) -> None:
    counting = CountingObjects(versions_600.objects)
    async with versions_600.process(counting, cache_bytes=0) as store:
        work = store.workspace("work")
        await work.load()
        for version in (255, 256, 511, 512, 599):
            counting.clear()
            loaded = await work.load(version=version)
            assert loaded.state == {"version": version, "pages": list(range(version))}
            assert counting.count("get") <= 1 + 9


async def test_a_process_rebuilds_what_it_saved_without_asking_and_holds_few_documents_for_it(
    place: Place,
) -> None:
    counting = CountingObjects(place.objects)
    async with place.process(counting) as store:
        work = store.workspace("work")
        for version in range(1, 301):
            await work.save({"version": version, "text": "x" * 10_000})
        assert store.figures().cache_bytes < 9 * 100_000 + 300 * 2_000
        for version in (1, 77, 128, 255, 256, 257, 299):
            counting.clear()
            loaded = await work.load(version=version)
            assert loaded.state == {"version": version, "text": "x" * 10_000}
            assert counting.operations == [("get", log_key("work", 301))]


async def test_what_a_tiny_cache_forgot_is_read_again(place: Place) -> None:
    counting = CountingObjects(place.objects)
    async with place.process(counting, cache_bytes=1) as store:
        work = store.workspace("work")
        for version in range(1, 41):
            counting.clear()
            await work.save({"version": version})
            assert counting.count("get") <= 9
        for version in range(1, 41):
            assert (await work.load(version=version)).state == {"version": version}


async def test_a_process_a_few_versions_behind_reads_just_these(versions_600: Place) -> None:
    behind = await copy_of(versions_600.objects, up_to=590)
    counting = CountingObjects(behind)
    async with versions_600.process(counting) as store:
        work = store.workspace("work")
        await work.load()
        for version in range(591, 598):
            await behind.put(log_key("work", version), await the_record(versions_600, version))
        counting.clear()
        assert (await work.load()).version == 597
    assert counting.operations == [("get", log_key("work", v)) for v in range(591, 599)]


async def test_a_process_many_versions_behind_starts_over_after_eight(versions_600: Place) -> None:
    behind = await copy_of(versions_600.objects, up_to=500)
    counting = CountingObjects(behind)
    async with versions_600.process(counting) as store:
        work = store.workspace("work")
        await work.load()
        for version in range(501, 601):
            await behind.put(log_key("work", version), await the_record(versions_600, version))
        counting.clear()
        assert (await work.load()).version == 600
        assert counting.operations[:8] == [("get", log_key("work", v)) for v in range(501, 509)]
        assert counting.count("list") == 2
        assert counting.count("get") <= 8 + 1 + 9
        assert (await work.save(patch={"pages": None})).version == 601


async def the_record(place: Place, version: int) -> bytes:
    data = await place.objects.get(log_key("work", version))
    assert data is not None
    return data


async def test_a_missing_record_is_damage_where_it_is_needed_and_nowhere_else(
    versions_600: Place,
) -> None:
    objects = await copy_of(versions_600.objects, up_to=20)
    await objects.delete(log_key("work", 9))
    async with versions_600.process(objects) as store:
        work = store.workspace("work")
        with pytest.raises(Damaged, match=f"{log_key('work', 9)} is missing") as caught:
            await work.load(version=10)
        assert caught.value.code == "missing_record"
        with pytest.raises(Damaged, match="is missing"):
            await work.history(limit=20)
        assert (await work.load()).version == 20
        assert (await work.load(version=8)).version == 8


async def test_a_warm_process_refuses_records_that_do_not_follow_what_it_knows(
    place: Place,
) -> None:
    await grow(place, 1)
    async with place.process() as store:
        work = store.workspace("work")
        other = Place(place.folder, await copy_of(place.objects))
        await work.save({"branch": "one"})
        await grow(other, 2)
        await place.objects.put(log_key("work", 3), await the_record(other, 3))
        with pytest.raises(Damaged, match="does not follow version 2") as caught:
            await work.load()
        assert caught.value.code == "broken_chain"


async def test_versions_without_their_keys_are_damage_and_not_a_fresh_start(place: Place) -> None:
    await grow(place, 2)
    await place.objects.delete(keys_key("work", 1))
    async with place.process() as store:
        for attempt in (store.workspace("work").load(), store.workspace("work").save(1)):
            with pytest.raises(Damaged, match="has no keys") as caught:
                await attempt
            assert caught.value.code == "missing_keys"


async def test_foreign_objects_do_not_matter(place: Place) -> None:
    await grow(place, 3)
    for folder in ("safepoint", "workspaces", "workspaces/work/log", "workspaces/work/keys"):
        for name in (".DS_Store", "desktop.ini", *(f"0000-note-{n}" for n in range(20)), "zz"):
            await place.objects.put(f"{folder}/{name}", b"foreign")
    await place.objects.put("workspaces/lost+found/log/x", b"foreign")
    async with place.process() as store:
        work = store.workspace("work")
        assert (await work.load()).version == 3
        assert (await work.save({})).version == 4
        assert [info.name for info in (await store.workspaces()).items] == ["work"]


async def test_reading_changes_nothing_in_the_store(versions_600: Place) -> None:
    counting = CountingObjects(versions_600.objects)
    async with versions_600.process(counting) as store:
        await read_everything(store)
    assert {operation.verb for operation in counting.operations} == {"get", "list"}


async def read_everything(store: Store) -> None:
    await store.workspaces()
    work = store.workspace("work")
    await work.load()
    await work.load(version=7)
    await work.history(limit=30)
    await work.checkpoints(limit=30)


async def test_the_same_store_on_disk_costs_the_same(place: Place, tmp_path: Path) -> None:
    counting = CountingObjects(LocalObjects(tmp_path / "store"))
    async with place.process(counting) as store:
        work = store.workspace("work")
        await work.save(1)
        counting.clear()
        await work.save(2)
        assert [operation.verb for operation in counting.operations] == ["put"]
