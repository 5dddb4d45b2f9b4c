"""A stump that a power loss left is set aside; anything that had been acknowledged is damage."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import Damaged, NotFound
from safepoint.format.keys import keys_key, log_key, manifest_key, summary_key
from safepoint.objects.local import LocalObjects

pytestmark = pytest.mark.anyio

STUMPS = {"nothing": b"", "one sector": bytes(512), "zeros": bytes(700)}


@pytest.fixture
def disk(tmp_path: Path) -> Place:
    return Place(tmp_path, LocalObjects(tmp_path / "store"))


async def grow(place: Place, versions: int) -> None:
    async with place.process() as store:
        for version in range(1, versions + 1):
            await store.workspace("work").save({"version": version, "text": "word " * 300})


async def stump(place: Place, version: int, data: bytes) -> None:
    await place.objects.put(log_key("work", version), data)


@pytest.mark.parametrize("data", STUMPS.values(), ids=STUMPS.keys())
async def test_a_torn_last_record_is_set_aside_and_its_version_taken_again(
    disk: Place, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await grow(disk, 3)
    await stump(disk, 4, data)
    async with disk.process() as store:
        work = store.workspace("work")
        with caplog.at_level(logging.WARNING, "safepoint"):
            assert (await work.load()).version == 3
        assert log_key("work", 4) in caplog.text
        assert "never acknowledged" in caplog.text
        assert (await work.save({"version": 4})).version == 4
    assert await disk.objects.get(f"damaged/000001/{log_key('work', 4)}") == data


async def test_the_start_of_a_real_record_cut_at_a_sector_is_torn_too(disk: Place) -> None:
    await grow(disk, 1)
    whole = await disk.objects.get(log_key("work", 1))
    assert whole is not None
    assert len(whole) > 512
    await stump(disk, 2, whole[:512])
    async with disk.process() as store:
        assert (await store.workspace("work").save(2)).version == 2


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
async def test_a_writer_takes_the_version_of_a_stump(disk: Place, warm: bool) -> None:
    await grow(disk, 2)
    async with disk.process() as store:
        work = store.workspace("work")
        if warm:
            await work.load()
        await stump(disk, 3, b"")
        assert (await work.save({"version": 3})).version == 3
        assert (await work.load()).state == {"version": 3}


async def test_a_torn_first_record_leaves_a_workspace_that_can_begin(disk: Place) -> None:
    await grow(disk, 1)
    await stump(disk, 1, b"")
    await disk.objects.delete(summary_key("work"))  # it follows an acknowledged commit only
    async with disk.process() as store:
        with pytest.raises(NotFound):
            await store.workspace("work").load()
        assert (await store.workspace("work").save(1)).version == 1


async def test_two_stumps_of_one_version_are_both_kept(disk: Place) -> None:
    await grow(disk, 1)
    for data in (b"", bytes(512)):
        await stump(disk, 2, data)
        async with disk.process() as store:
            assert (await store.workspace("work").load()).version == 1
    for number, data in ((1, b""), (2, bytes(512))):
        assert await disk.objects.get(f"damaged/{number:06d}/{log_key('work', 2)}") == data


@pytest.mark.parametrize("data", STUMPS.values(), ids=STUMPS.keys())
async def test_an_acknowledged_record_that_was_cut_is_damage_and_stays(
    disk: Place, tmp_path: Path, data: bytes
) -> None:
    async with disk.process(seen=tmp_path / "seen") as store:
        await store.workspace("work").save(1)
        await store.workspace("work").save(2)
    await stump(disk, 2, data)
    for _ in range(2):
        async with disk.process(seen=tmp_path / "seen") as store:
            with pytest.raises(Damaged, match=log_key("work", 2)):
                await store.workspace("work").load()
            with pytest.raises(Damaged, match=log_key("work", 2)):
                await store.workspace("work").save(3)
    assert await disk.objects.get(log_key("work", 2)) == data


async def test_a_stump_below_a_later_version_is_damage(disk: Place) -> None:
    await grow(disk, 3)
    async with disk.process() as store:
        await store.workspace("work").load()
        await grow(disk, 2)
        await stump(disk, 4, b"")
        with pytest.raises(Damaged, match=log_key("work", 4)):
            await store.workspace("work").load()


@pytest.mark.parametrize(
    "change",
    [lambda data: data[:-1], lambda data: data[:100], lambda data: data + b"\1"],
    ids=["a byte short", "cut within a sector", "a byte long"],
)
async def test_what_no_power_loss_can_leave_is_damage(disk: Place, change: object) -> None:
    await grow(disk, 2)
    whole = await disk.objects.get(log_key("work", 2))
    await stump(disk, 2, change(whole))  # type: ignore[operator]
    async with disk.process() as store:
        with pytest.raises(Damaged, match=log_key("work", 2)):
            await store.workspace("work").load()


async def test_a_store_that_is_never_torn_has_no_stumps_only_damage(place: Place) -> None:
    await grow(place, 2)
    await stump(place, 3, b"")
    async with place.process() as store:
        with pytest.raises(Damaged, match=log_key("work", 3)):
            await store.workspace("work").load()


async def test_torn_keys_of_a_workspace_with_versions_are_damage(disk: Place) -> None:
    await grow(disk, 2)
    await disk.objects.put(keys_key("work", 1), b"")
    async with disk.process() as store:
        with pytest.raises(Damaged, match=keys_key("work", 1)):
            await store.workspace("work").load()


@pytest.mark.parametrize("data", STUMPS.values(), ids=STUMPS.keys())
async def test_a_power_loss_while_a_workspace_is_made_does_not_lock_it(
    disk: Place, data: bytes
) -> None:
    await grow(disk, 0)
    await disk.objects.put(keys_key("work", 1), data)
    async with disk.process() as store:
        assert (await store.workspace("work").save(1)).version == 1
    async with disk.process() as store:
        assert (await store.workspace("work").load()).state == 1
    assert await disk.objects.get(f"damaged/000001/{keys_key('work', 1)}") == data


@pytest.mark.parametrize("data", STUMPS.values(), ids=STUMPS.keys())
async def test_a_power_loss_while_a_store_is_made_does_not_lock_it(
    disk: Place, data: bytes
) -> None:
    await disk.objects.put(manifest_key(1), data)
    await grow(disk, 1)
    async with disk.process() as store:
        assert (await store.workspace("work").load()).version == 1
    assert await disk.objects.get(f"damaged/000001/{manifest_key(1)}") == data


async def test_a_power_loss_while_a_slot_is_added_leaves_the_slots_before(disk: Place) -> None:
    await grow(disk, 1)
    await disk.objects.put(manifest_key(2), b"")
    async with disk.process() as store:
        assert len(await store.slots()) == 1
        assert (await store.workspace("work").load()).version == 1
        await store.add_passphrase_slot("a second way in")
        assert len(await store.slots()) == 2


async def test_a_torn_manifest_of_a_store_with_workspaces_is_damage(disk: Place) -> None:
    await grow(disk, 1)
    await disk.objects.put(manifest_key(1), b"")
    with pytest.raises(Damaged, match=manifest_key(1)):
        async with disk.process():
            pass
