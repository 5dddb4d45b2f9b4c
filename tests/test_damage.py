"""A bit flipped, an object swapped, forged, moved or missing: the read that touches it says so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import CAMPAIGN
from tests.place import Place

from safepoint import Damaged, NotFound, PlannedStep, SafepointError, Store, Unsupported, WrongKey
from safepoint.format.keys import generation_of, keys_key, log_key, version_of
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects

pytestmark = pytest.mark.anyio

MANIFEST = "safepoint/000001.json"
NAMES = ("alpha", "Größe")
VERSIONS = 6
Objects = dict[str, bytes]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def objects(place: Place) -> Objects:
    """What a small store relies on: two workspaces with steps, results and labels.

    Summaries only save the list some reading; they are spoilt in a test of their own.
    """

    async def fill() -> Objects:
        disk = LocalObjects(place.folder / "store")
        async with place.process(disk) as store:
            for name in NAMES:
                work = store.workspace(name)
                await work.plan_steps(["fetch", PlannedStep("send", after=("fetch",))])
                token = (await work.start_step("fetch")).fencing_token
                await work.mark_step_done("fetch", result={"pages": 3}, fencing_token=token)
                for number in range(4, VERSIONS + 1):
                    await work.save(patch={"n": number}, label=f"save {number}")
        keys = await disk.list("safepoint/") + await disk.list("workspaces/")
        return {key: await disk.get(key) or b"" for key in keys if not key.endswith("/summary")}

    return asyncio.run(fill())


async def in_memory(objects: Objects) -> MemoryObjects:
    memory = MemoryObjects()
    for key, data in objects.items():
        await memory.put(key, data)
    return memory


def records(objects: Objects) -> list[str]:
    return [key for key in objects if "/log/" in key]


def reader_of(key: str) -> Callable[[Store], Any]:
    """The smallest reading that touches this object."""
    if key == MANIFEST:
        return Store.slots
    (name,) = (name for name in NAMES if key.startswith(keys_key(name, 1)[:-16]))
    if "/keys/" in key:
        return lambda store: store.workspace(name).load()
    return lambda store: store.workspace(name).load(version=version_of(key))


async def refusal(
    place: Place, memory: MemoryObjects, read: Callable[[Store], Any]
) -> SafepointError:
    """What a process that has never seen the store is told."""
    with pytest.raises((Damaged, Unsupported, WrongKey)) as caught:
        async with place.process(memory, create=False) as store:
            await read(store)
    return caught.value


async def everything(store: Store) -> list[Any]:
    """All that can be read of a store."""
    found: list[Any] = [await store.slots(), await store.workspaces()]
    for name in NAMES:
        work = store.workspace(name)
        found += [await work.load(version=version) for version in range(1, VERSIONS + 1)]
        found += [await work.load(), await work.load(label="save 5"), await work.steps()]
        found += [await work.history(), await work.checkpoints()]
    return found


async def test_the_store_as_it_was_written_reads_without_complaint(
    place: Place, objects: Objects
) -> None:
    assert len(records(objects)) == 2 * VERSIONS
    assert len(objects) == 1 + 2 * (1 + VERSIONS)
    async with place.process(await in_memory(objects), create=False) as store:
        assert len(await everything(store)) == 2 + 2 * (VERSIONS + 5)


async def test_one_flipped_bit_in_any_byte_of_any_object_is_refused_by_name(
    place: Place, objects: Objects
) -> None:
    memory = await in_memory(objects)
    chosen = random.Random(1)
    for key, data in objects.items():
        read = reader_of(key)
        for position in range(len(data)):
            for bit in range(8) if CAMPAIGN > 1 else [chosen.randrange(8)]:
                flipped = bytearray(data)
                flipped[position] ^= 1 << bit
                await memory.put(key, bytes(flipped))
                told = await refusal(place, memory, read)
                assert key in told.message, (key, position, bit)
        await memory.put(key, data)


async def test_an_object_cut_anywhere_or_emptied_is_refused_by_name(
    place: Place, objects: Objects
) -> None:
    memory = await in_memory(objects)
    for key, data in objects.items():
        for length in range(0, len(data), 1 if CAMPAIGN > 1 else 23):
            await memory.put(key, data[:length])
            assert key in (await refusal(place, memory, reader_of(key))).message
        await memory.put(key, data)


async def test_any_two_records_swapped_are_refused_by_name(place: Place, objects: Objects) -> None:
    for one, other in combinations(records(objects), 2):
        memory = await in_memory({**objects, one: objects[other], other: objects[one]})
        for key in (one, other):
            told = (await refusal(place, memory, reader_of(key))).message
            assert one in told or other in told


async def test_the_keys_of_two_workspaces_swapped_are_refused_by_name(
    place: Place, objects: Objects
) -> None:
    one, other = (keys_key(name, 1) for name in NAMES)
    memory = await in_memory({**objects, one: objects[other], other: objects[one]})
    for key in (one, other):
        assert key in (await refusal(place, memory, reader_of(key))).message


@pytest.mark.parametrize("plain", [b'{"n": 99}', b"", b"SFPT", b'{"version": 6, "state": {}}' * 90])
async def test_plaintext_in_place_of_a_record_is_refused_by_name(
    place: Place, objects: Objects, plain: bytes
) -> None:
    for key in records(objects):
        memory = await in_memory({**objects, key: plain})
        assert key in (await refusal(place, memory, reader_of(key))).message


@pytest.mark.parametrize("version", range(1, VERSIONS))
async def test_a_record_missing_below_the_head_is_damage_and_never_a_shorter_history(
    place: Place, objects: Objects, version: int
) -> None:
    key = log_key("alpha", version)
    memory = await in_memory({k: data for k, data in objects.items() if k != key})
    for read in (reader_of(key), lambda store: store.workspace("alpha").history()):
        told = await refusal(place, memory, read)
        assert key in told.message
        assert told.code == "missing_record"


@pytest.mark.parametrize("version", range(1, VERSIONS + 1))
async def test_an_old_record_replayed_as_the_newest_is_refused_by_name(
    place: Place, objects: Objects, version: int
) -> None:
    newest = log_key("alpha", VERSIONS + 1)
    memory = await in_memory({**objects, newest: objects[log_key("alpha", version)]})
    assert newest in (await refusal(place, memory, lambda s: s.workspace("alpha").load())).message
    async with place.process(await in_memory(objects)) as store:
        work = store.workspace("alpha")
        await work.load()
        await store.objects.put(newest, objects[log_key("alpha", version)])
        with pytest.raises(Damaged, match=newest):
            await work.load()
        with pytest.raises(Damaged, match=newest):
            await work.save(1)


@pytest.mark.parametrize("name", ["beta", "x" * 300])
async def test_a_workspace_moved_to_another_name_is_refused_by_name(
    place: Place, objects: Objects, name: str
) -> None:
    old, new = (keys_key(n, 1).removesuffix("keys/000001.json") for n in ("alpha", name))
    memory = await in_memory({key.replace(old, new): data for key, data in objects.items()})
    refused = await refusal(place, memory, lambda store: store.workspace(name).load())
    assert keys_key(name, 1) in refused.message
    async with place.process(memory, create=False) as store:
        damaged, whole = sorted((await store.workspaces()).items, key=lambda info: info.version)
    assert (damaged.status, whole.status) == ("damaged", "active")
    assert keys_key(name, 1) in str(damaged.summary)


async def test_a_record_of_another_workspace_with_the_same_version_is_refused(
    place: Place, objects: Objects
) -> None:
    key = log_key("alpha", VERSIONS)
    memory = await in_memory({**objects, key: objects[log_key(NAMES[1], VERSIONS)]})
    assert key in (await refusal(place, memory, reader_of(key))).message


async def test_a_manifest_under_the_number_of_another_generation_is_refused_by_name(
    place: Place, objects: Objects
) -> None:
    for key in (MANIFEST, keys_key("alpha", 1)):
        newer = key.replace("000001", "000002")
        assert generation_of(newer) == 2
        memory = await in_memory({**objects, newer: objects[key]})
        assert newer in (await refusal(place, memory, reader_of(key))).message


async def test_the_workspaces_do_not_open_below_the_manifest_of_another_store(
    place: Place, objects: Objects
) -> None:
    other = MemoryObjects()
    async with place.process(other):
        pass
    memory = await in_memory({**objects, MANIFEST: await other.get(MANIFEST) or b""})
    for name in NAMES:
        key = keys_key(name, 1)
        assert key in (await refusal(place, memory, reader_of(key))).message


async def test_a_missing_object_is_never_a_fresh_start(place: Place, objects: Objects) -> None:
    """Without its manifest no store is made anew, without its keys no workspace begins."""
    for key in (MANIFEST, keys_key(NAMES[0], 1)):
        memory = await in_memory({k: data for k, data in objects.items() if k != key})
        told = await refusal(place, memory, lambda store: store.workspace(NAMES[0]).save(1))
        assert isinstance(told, Damaged), key


async def test_a_damaged_summary_changes_nothing_that_is_read(
    place: Place, objects: Objects
) -> None:
    memory = await in_memory(objects)
    async with place.process(memory) as store:
        await store.workspace("alpha").save(7, summary="seven")
    key = "workspaces/alpha/summary"
    summary = await memory.get(key)
    assert summary is not None
    async with place.process(memory) as store:
        before = (await store.workspaces()).items
    assert (before[1].name, before[1].version, before[1].summary) == ("alpha", 7, "seven")
    for position in range(0, len(summary), 1 if CAMPAIGN > 1 else 7):
        flipped = bytearray(summary)
        flipped[position] ^= 16
        await memory.put(key, bytes(flipped))
        async with place.process(memory) as store:
            assert (await store.workspaces()).items == before


async def test_damage_in_one_workspace_leaves_the_others_readable(
    place: Place, objects: Objects
) -> None:
    memory = await in_memory({**objects, log_key("alpha", VERSIONS): b"broken"})
    async with place.process(memory) as store:
        assert (await store.workspace(NAMES[1]).load()).version == VERSIONS
        assert (await store.workspace(NAMES[1]).save(1)).version == VERSIONS + 1
        with pytest.raises(Damaged):
            await store.workspace("alpha").load()
        with pytest.raises(NotFound):
            await store.workspace("never written").load()


async def test_damage_of_an_old_version_does_not_hinder_the_newest(
    place: Place, objects: Objects
) -> None:
    """Version 6 is built of 1 and 5: version 4 is needed by nothing but itself."""
    memory = await in_memory({**objects, log_key("alpha", 4): b"broken"})
    async with place.process(memory) as store:
        assert (await store.workspace("alpha").load()).state == {"n": 6}
        with pytest.raises(Damaged, match=log_key("alpha", 4)):
            await store.workspace("alpha").load(version=4)


async def test_a_copy_of_the_whole_store_reads_the_same_elsewhere(
    place: Place, objects: Objects, tmp_path: Path
) -> None:
    async with place.process(await in_memory(objects), create=False) as store:
        before = await everything(store)
    for key, data in objects.items():
        (tmp_path / "copy" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / key).write_bytes(data)
    async with place.process(LocalObjects(tmp_path / "copy"), create=False) as store:
        assert await everything(store) == before
