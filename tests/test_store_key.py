"""The store key is replaced while others write: what it opened, only the new one opens now."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest
from tests.place import Place
from tests.rotating import FAULTS, everything, grow, interrupt, states, store_key_numbers

from safepoint import Conflict, KeysRotated, Store, WrongKey
from safepoint.crypto.envelope import key_id_of
from safepoint.crypto.keyring import KeyFile
from safepoint.format.keys import keys_key, log_key, manifest_key, summary_key
from safepoint.objects.local import LocalObjects
from safepoint.testing.faults import Fault, GatedObjects

pytestmark = pytest.mark.anyio

WORDS = "correct horse battery"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def other_file(tmp_path: Path) -> Path:
    path = tmp_path / "other"
    path.write_text(KeyFile(bytes(reversed(range(32)))).text())
    return path


async def test_a_new_store_key_leaves_nothing_that_the_old_one_opens(
    place: Place, other_file: Path
) -> None:
    for name in ("a", "b", "gone"):
        await grow(place, name)
    async with place.process() as store:
        await store.delete("gone")
        await store.add_key_file_slot(other_file, label="stolen")
        done = await store.keys.rotate_store_key(drop_others=True)
        assert (done.finished, done.store_key, done.resumed) == (True, True, False)
        assert (len(done.kept_slots), len(done.dropped_slots)) == (1, 1)
        await store.workspace("new").save({})
    numbers = await store_key_numbers(place)
    assert set(numbers.values()) == {1}
    assert len(numbers) == 5
    summary = await place.objects.get(summary_key("a"))
    assert summary is not None
    assert key_id_of(summary, "it") == 1
    data = await place.objects.get(next(iter(sorted(numbers))))
    assert data is not None
    assert "previous" not in orjson.loads(data)
    with pytest.raises(WrongKey, match="does not open") as caught:
        await states(place, "a", key_file=other_file)
    assert caught.value.code == "wrong_key"
    assert await states(place, "a") == [{"n": 1}, {"n": 2}, {"n": 2}]


async def test_slots_are_dropped_only_when_that_is_said(place: Place, other_file: Path) -> None:
    await grow(place)
    async with place.process() as store:
        added = await store.add_key_file_slot(other_file, label="ann")
        words = await store.add_passphrase_slot(WORDS)
        with pytest.raises(Conflict, match=rf"{words.id} \(passphrase\)$") as caught:
            await store.keys.rotate_store_key(key_files=[other_file])
        assert caught.value.code == "slots_dropped"
        assert set((await store_key_numbers(place)).values()) == {0}
        done = await store.keys.rotate_store_key(key_files=[other_file], passphrases=[WORDS])
        assert done.dropped_slots == ()
        assert {added.id, words.id} < set(done.kept_slots)
    for key in ({"key_file": other_file}, {"passphrase": WORDS, "key_file": None}, {}):
        assert (await states(place, **key))[0] == {"n": 1}


async def test_a_key_that_opens_no_slot_stops_a_rotation_before_it_begins(
    place: Place, other_file: Path
) -> None:
    await grow(place)
    async with place.process() as store:
        with pytest.raises(WrongKey, match="this key file opens no key slot"):
            await store.keys.rotate_store_key(key_files=[other_file], drop_others=True)
    assert set((await store_key_numbers(place)).values()) == {0}


async def rotate_store_key(store: Store) -> KeysRotated:
    return await store.keys.rotate_store_key(drop_others=True)


@pytest.mark.parametrize("fault", FAULTS)
async def test_wherever_a_new_store_key_stops_the_store_opens_and_a_repeat_finishes_it(
    tmp_path: Path, fault: Fault
) -> None:
    stolen = tmp_path / "stolen"
    for at in range(200):
        place = Place(tmp_path)
        await grow(place, "a")
        await grow(place, "b")
        async with place.process() as store:
            await store.add_key_file_slot(stolen)
        reached = await interrupt(place, at, fault, rotate_store_key)
        await grow(place, "a", versions=1)
        await grow(place, "new", versions=1)
        async with place.process() as store:
            begun = store.keys.store_keys > 1
            await rotate_store_key(store)
            assert store.keys.store_keys == 2 or (begun and store.keys.store_keys == 3)
            last = store.keys.store_keys - 1
        assert set((await store_key_numbers(place)).values()) == {last}
        assert (await states(place, "a"))[:2] == [{"n": 1}, {"n": 2}]
        assert (await states(place, "b"))[:2] == [{"n": 1}, {"n": 2}]
        assert (await states(place, "new"))[0] == {"n": 1}
        with pytest.raises(WrongKey):
            await states(place, "a", key_file=stolen)
        if not reached:
            break
    assert 20 < at < 199


async def test_programs_that_hold_the_old_store_key_write_on_until_they_meet_the_new_one(
    place: Place,
) -> None:
    await grow(place)
    async with place.process() as old, place.process() as store:
        await old.workspace("work").load()
        await store.keys.rotate_store_key(data_keys=False)
        assert (await old.workspace("work").save({"n": 3})).version == 3
        await store.keys.rotate()
        for refused in (
            old.workspace("work").save({"n": 4}),
            old.workspace("work").load(),
            old.workspace("new").save({}),
            old.add_passphrase_slot(WORDS),
            old.slots(),
            old.keys.rotate(),
            old.keys.rotate_store_key(),
        ):
            with pytest.raises(WrongKey) as caught:
                await refused
            assert caught.value.code == "store_key_changed"
        assert await everything(place.objects, "workspaces/new/log/") == []
        await store.workspace("new").save({})
    assert (await states(place))[2] == {"n": 3}


async def test_a_workspace_that_began_just_before_is_wrapped_anew(place: Place) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as old, place.process() as store:
        gate = gated.hold("put", log_key("new", 1))
        saving = asyncio.create_task(old.workspace("new").save({"n": 1}))
        await gate.reached.wait()
        await rotate_store_key(store)
        gate.open()
        assert (await saving).version == 1
    assert set((await store_key_numbers(place)).values()) == {1}
    assert await states(place, "new") == [{"n": 1}]


@pytest.mark.parametrize("dies", [False, True], ids=["stops", "dies"])
async def test_a_workspace_that_begins_too_late_under_the_old_key_stands_in_nobodys_way(
    place: Place, dies: bool
) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as old, place.process() as store:
        gate = gated.hold("put", keys_key("new", 1), acted=dies)
        saving = asyncio.create_task(old.workspace("new").save({"n": "old"}))
        await gate.reached.wait()
        if dies:
            saving.cancel()
            manifest = await place.objects.get(keys_key("new", 1))
            await place.objects.delete(keys_key("new", 1))
            await rotate_store_key(store)
            assert manifest is not None
            await place.objects.put(keys_key("new", 1), manifest)
        else:
            await rotate_store_key(store)
            gate.open()
            with pytest.raises(WrongKey):
                await saving
        assert (await store.workspace("new").save({"n": 1})).version == 1
        await store.workspace("new").save({"n": 2})
        assert (await store.keys.rotate()).finished
    assert (await states(place, "new"))[:2] == [{"n": 1}, {"n": 2}]


async def old_manifest(place: Place) -> bytes:
    """That of a workspace `new` which a program began, and died before it had a version."""
    gated = GatedObjects(place.objects)
    async with place.process(gated) as old:
        gate = gated.hold("put", log_key("new", 1))
        dying = asyncio.create_task(old.workspace("new").save({"n": "old"}))
        await gate.reached.wait()
        dying.cancel()
    data = await place.objects.get(keys_key("new", 1))
    assert data is not None
    await place.objects.delete(keys_key("new", 1))
    return data


async def test_who_opened_the_store_between_two_keys_begins_nothing_under_the_older_one(
    place: Place,
) -> None:
    await grow(place)
    manifest = await old_manifest(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store:
        gate = gated.hold("put", keys_key("work", 2))
        rotating = asyncio.create_task(rotate_store_key(store))
        await gate.reached.wait()
        async with place.process() as between:
            gate.open()
            await rotating
            await place.objects.put(keys_key("new", 1), manifest)
            await between.workspace("new").save({"n": 1})
    assert await states(place, "new") == [{"n": 1}]


async def test_a_manifest_under_a_replaced_key_that_comes_first_is_passed_over(
    place: Place,
) -> None:
    manifest = await old_manifest(place)
    gated = GatedObjects(place.objects)
    async with place.process() as store:
        await rotate_store_key(store)
    async with place.process(gated) as store:
        gate = gated.hold("put", keys_key("new", 1))
        saving = asyncio.create_task(store.workspace("new").save({"n": 1}))
        await gate.reached.wait()
        await place.objects.put(keys_key("new", 1), manifest)
        gate.open()
        assert (await saving).version == 1
    assert await states(place, "new") == [{"n": 1}]


async def test_a_damaged_workspace_keeps_the_old_key_from_being_dropped_and_no_other_from_the_new(
    place: Place,
) -> None:
    await grow(place, "broken")
    await grow(place, "whole")
    good = await place.objects.get(keys_key("broken", 1))
    assert good is not None
    await place.objects.put(keys_key("broken", 1), b"{}")
    async with place.process() as store:
        done = await store.keys.rotate_store_key()
        assert [(name, error.code) for name, error in done.failed] == [("broken", "not_authentic")]
        assert not done.finished
        assert await store.keys.unfinished()
    assert (await states(place, "whole"))[0] == {"n": 1}
    await place.objects.put(keys_key("broken", 1), good)
    assert (await states(place, "broken"))[0] == {"n": 1}
    async with place.process() as store:
        done = await store.keys.rotate_store_key()
        assert (done.finished, done.resumed) == (True, True)
    assert set((await store_key_numbers(place)).values()) == {1}


async def test_two_that_replace_the_store_key_at_once_make_one_new_key_or_one_stops(
    place: Place,
) -> None:
    await grow(place)
    async with place.process() as one, place.process() as two:
        done = await asyncio.gather(
            one.keys.rotate_store_key(), two.keys.rotate_store_key(), return_exceptions=True
        )
    assert any(isinstance(each, KeysRotated) and each.finished for each in done)
    for each in done:
        assert isinstance(each, KeysRotated) or getattr(each, "code", "") == "store_key_changed"
    assert (await states(place))[:2] == [{"n": 1}, {"n": 2}]


async def test_summaries_are_sealed_anew_without_any_commit(place: Place) -> None:
    await grow(place)
    async with place.process() as store:
        await store.keys.rotate_store_key(data_keys=False)
        for key in (summary_key("work"), "summary"):
            data = await place.objects.get(key)
            assert data is None or key_id_of(data, key) == 1
        assert [one.version for one in (await store.workspaces()).items] == [2]
    assert await place.objects.get(summary_key("work")) is not None


async def test_a_manifest_that_came_while_all_were_wrapped_anew_is_found_by_a_second_look(
    place: Place,
) -> None:
    await grow(place)
    manifest = await old_manifest(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store:
        gate = gated.hold("put", keys_key("work", 2))
        rotating = asyncio.create_task(rotate_store_key(store))
        await gate.reached.wait()
        await place.objects.put(keys_key("new", 1), manifest)
        gate.open()
        assert (await rotating).finished
    assert set((await store_key_numbers(place)).values()) == {1}


async def test_a_program_that_opens_the_store_while_its_manifest_is_replaced_gets_the_new_key(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, LocalObjects(tmp_path / "store"))
    await grow(place)
    gated = GatedObjects(place.objects)
    gate = gated.hold("make_durable", manifest_key(1))

    async def late() -> None:
        async with place.process(gated) as store:
            await store.workspace("work").save({"n": 3})

    opening = asyncio.create_task(late())
    await gate.reached.wait()
    async with place.process() as store:
        assert (await store.keys.rotate_store_key()).finished
    gate.open()
    await opening
    assert await states(place) == [{"n": 1}, {"n": 2}, {"n": 2}, {"n": 3}]
    await place.objects.close()
