"""Data keys are replaced while others write: nothing is lost, the new one seals what follows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
from tests.place import Place
from tests.rotating import FAULTS, everything, grow, interrupt, record_keys, states

from safepoint import Damaged, LimitExceeded, NotFound, Store
from safepoint.format.keys import keys_folder, keys_key, log_key
from safepoint.log import keys as log_keys
from safepoint.log.generations import put_next
from safepoint.objects.local import LocalObjects
from safepoint.testing.faults import CountingObjects, Fault, GatedObjects

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def test_what_is_written_after_a_rotation_is_sealed_by_a_new_key_and_all_stays_readable(
    place: Place,
) -> None:
    await grow(place)
    async with place.process() as store:
        rotated = await store.keys.rotate()
        assert [(one.name, one.data_keys, one.version) for one in rotated.workspaces] == [
            ("work", 2, 3)
        ]
        await store.workspace("work").save({"n": 4})
    assert await record_keys(place, 4) == [1, 1, 2, 2]
    assert await states(place) == [{"n": 1}, {"n": 2}, {"n": 2}, {"n": 4}]


async def test_the_history_tells_of_it(place: Place) -> None:
    await grow(place)
    async with place.process() as store:
        await store.keys.rotate(["work"])
        newest = (await store.workspace("work").history()).items[0]
    assert (newest.kind, dict(newest.detail), newest.actor.name) == (
        "rotate_keys", {"key": 2}, "tester"
    )  # fmt: skip


async def test_a_program_that_was_there_before_reads_and_writes_on(place: Place) -> None:
    await grow(place)
    async with place.process() as reader, place.process() as writer:
        await reader.workspace("work").load()
        await writer.workspace("work").load()
        async with place.process() as store:
            await store.keys.rotate()
            await store.keys.rotate()
            await store.workspace("work").save({"n": 5})
        assert (await reader.workspace("work").load()).version == 5
        assert (await writer.workspace("work").save({"n": 6})).version == 6
    assert await record_keys(place, 6) == [1, 1, 2, 3, 3, 3]


async def test_a_writer_that_was_about_to_commit_does_so_under_the_new_key(place: Place) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as slow, place.process() as store:
        await slow.workspace("work").load()
        gate = gated.hold("put", log_key("work", 3))
        saving = asyncio.create_task(slow.workspace("work").save({"n": 4}))
        await gate.reached.wait()
        await store.keys.rotate()
        gate.open()
        assert (await saving).version == 4
    assert await record_keys(place, 4) == [1, 1, 2, 2]


async def test_keys_that_were_superseded_between_a_list_and_a_read_are_looked_up_again(
    place: Place,
) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as slow, place.process() as store:
        gate = gated.hold("get", keys_key("work", 1))
        loading = asyncio.create_task(slow.workspace("work").load())
        await gate.reached.wait()
        await store.keys.rotate()
        gate.open()
        assert (await loading).state == {"n": 2}


async def test_superseded_manifests_are_removed_unless_they_shall_stay(place: Place) -> None:
    await grow(place)
    async with place.process() as store:
        await store.keys.rotate(keep_old=True)
        folder = keys_folder("work")
        assert await everything(place.objects, folder) == [keys_key("work", n) for n in (1, 2)]
        await store.keys.rotate()
        assert await everything(place.objects, folder) == [keys_key("work", 3)]


async def test_two_that_rotate_at_once_leave_keys_that_everybody_opens(place: Place) -> None:
    await grow(place)
    async with place.process() as one, place.process() as two, place.process() as writer:
        await writer.workspace("work").load()

        async def rotate(store: Store) -> None:
            for _ in range(3):
                await store.keys.rotate()

        await asyncio.gather(rotate(one), rotate(two))
        saved = await writer.workspace("work").save({"n": "last"})
    used = await record_keys(place, saved.version)
    assert used == sorted(used)
    assert len(set(used)) >= 4
    assert (await states(place))[-1] == {"n": "last"}


@pytest.mark.parametrize("fault", FAULTS)
async def test_wherever_a_rotation_stops_the_next_one_finishes_it(
    tmp_path: Path, fault: Fault
) -> None:
    for at in range(100):
        place = Place(tmp_path)
        await grow(place)
        async with place.process() as writer:
            await writer.workspace("work").load()
            reached = await interrupt(place, at, fault, lambda store: store.keys.rotate())
            await writer.workspace("work").save({"n": "between"})
        async with place.process() as store:
            done = (await store.keys.rotate()).workspaces[0]
        assert {"n": "between"} in await states(place)
        assert 2 <= done.data_keys <= 3
        assert (await record_keys(place, done.version or 0))[-1] == done.data_keys
        assert len(await everything(place.objects, keys_folder("work"))) == 1
        if not reached:
            break
    assert 5 < at < 99


async def test_who_stalled_for_long_does_not_fill_a_number_that_was_removed(place: Place) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as slow, place.process() as store:
        await slow.workspace("work").load()
        gate = gated.hold("put", keys_key("work", 2))
        rotating = asyncio.create_task(slow.keys.rotate())
        await gate.reached.wait()
        await store.keys.rotate()
        await store.keys.rotate()
        gate.open()
        done = (await rotating).workspaces[0]
        assert done.data_keys == 3  # those of the other: they are newer than what it began with
        await store.workspace("work").save({"n": "last"})
    assert await everything(place.objects, keys_folder("work")) == [keys_key("work", 3)]
    assert (await states(place))[-1] == {"n": "last"}


async def test_a_number_that_is_free_again_is_not_taken_for_the_next(place: Place) -> None:
    folder, put = "workspaces/w/keys/", place.objects.put
    await put(folder + "000003.json", b"newest")
    base, free = folder + "000001.json", folder + "000002.json"
    assert not await put_next(place.objects, folder, free, b"late", base=base)
    assert await everything(place.objects, folder) == [folder + "000003.json"]


async def test_a_workspace_has_only_so_many_data_keys(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_keys, "MAX_DATA_KEYS", 2)
    await grow(place)
    async with place.process() as store:
        await store.keys.rotate()
        done = await store.keys.rotate()
        ((name, error),) = done.failed
        assert (name, error.code, done.finished) == ("work", "too_many_keys", False)
        assert isinstance(error, LimitExceeded)
        assert (await store.workspace("work").save({})).version == 4


async def test_only_workspaces_that_exist_get_new_keys(place: Place) -> None:
    await grow(place, "gone")
    await grow(place, "here")
    async with place.process() as store:
        await store.delete("gone")
        for name in ("gone", "never"):
            with pytest.raises(NotFound):
                await store.keys.rotate([name])
        done = await store.keys.rotate()
        assert [one.name for one in done.workspaces] == ["here"]
        assert (await store.workspace("gone").save({})).version == 4


async def test_a_workspace_that_is_deleted_while_its_keys_are_rotated_stays_deleted(
    place: Place,
) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as slow, place.process() as store:
        await slow.workspace("work").load()
        gate = gated.hold("put", keys_key("work", 2), acted=True)
        rotating = asyncio.create_task(slow.keys.rotate())
        await gate.reached.wait()
        await store.delete("work")
        gate.open()
        assert (await rotating).workspaces == ()
        with pytest.raises(NotFound):
            await slow.workspace("work").load()
    (key,) = await everything(place.objects, keys_folder("work"))
    data = await place.objects.get(key)
    assert data is not None
    assert orjson.loads(data)["keys"] == []


@pytest.mark.parametrize("stump", [b"", bytes(512), bytes(700)], ids=["nothing", "sector", "zeros"])
async def test_a_stump_of_new_keys_is_set_aside_and_the_earlier_ones_hold(
    tmp_path: Path, stump: bytes
) -> None:
    disk = Place(tmp_path, LocalObjects(tmp_path / "store"))
    await grow(disk)
    await disk.objects.put(keys_key("work", 2), stump)
    async with disk.process() as store:
        assert (await store.workspace("work").save({"n": 3})).version == 3
        assert (await store.keys.rotate()).workspaces[0].data_keys == 2
    assert await disk.objects.get(f"damaged/000001/{keys_key('work', 2)}") == stump


async def test_new_keys_that_are_damaged_otherwise_are_no_stump(tmp_path: Path) -> None:
    disk = Place(tmp_path, LocalObjects(tmp_path / "store"))
    await grow(disk)
    await disk.objects.put(keys_key("work", 2), b"{}")
    async with disk.process() as store:
        with pytest.raises(Damaged, match=r"000002\.json"):
            await store.workspace("work").load()


async def test_nobody_seals_by_keys_that_a_power_loss_could_take(tmp_path: Path) -> None:
    """Another process has put the manifest, and may not have synced it yet."""
    disk = Place(tmp_path, LocalObjects(tmp_path / "store"))
    await grow(disk)
    async with disk.process() as store:
        await store.keys.rotate()
    counting = CountingObjects(LocalObjects(tmp_path / "store"))
    async with disk.process(counting) as store:
        await store.workspace("work").load()
        counting.clear()
        await store.workspace("work").save({})
        await store.workspace("work").save({})
    done = [(one.verb, one.key) for one in counting.operations]
    synced = ("make_durable", keys_key("work", 2))
    assert done.index(synced) < done.index(("put", log_key("work", 4)))
    assert done.count(synced) == 1
