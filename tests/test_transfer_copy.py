"""Copies of stores and workspaces: complete, checked, resumable, and never overwriting anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.place import Place

from safepoint import (
    Conflict,
    Damaged,
    Decision,
    NotFound,
    PlannedStep,
    SafepointError,
    Store,
    Workspace,
    WrongKey,
)
from safepoint.crypto.keyring import KeyFile
from safepoint.format.keys import keys_key, log_key, manifest_key
from safepoint.objects.base import ObjectStore
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import Crash, Fault, FaultyObjects, GatedObjects
from safepoint.transfer import Copied, copy_store, copy_workspaces

pytestmark = pytest.mark.anyio

ODD = "thread|42: ä" + "x" * 300


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def fill(store: Store, versions: int = 40) -> None:
    """Two workspaces, one of them with an odd name, a plan and results."""
    trip = store.workspace("trip")
    for n in range(versions - 4):
        await trip.save({"page": n, "seen": list(range(n))}, label=f"page {n}")
    await trip.plan_steps([PlannedStep("book"), PlannedStep("pay", after=("book",))], goal="Go")
    started = await trip.start_step("book", input={"seat": 12})
    await trip.mark_step_done("book", fencing_token=started.fencing_token, result=2**80)
    await trip.start_step("pay")
    await store.workspace(ODD).save({"odd": True}, summary="kept")


async def contents(objects: ObjectStore) -> dict[str, bytes]:
    found = {}
    for key in await objects.list("", limit=10_000):
        data = await objects.get(key)
        assert data is not None
        found[key] = data
    return found


async def told(workspace: Workspace) -> dict[str, Any]:
    """Everything that the library says about a workspace, but for stored sizes."""
    history = await workspace.history(limit=1000)
    return {
        "head": await workspace.load(),
        "checkpoints": await workspace.checkpoints(limit=1000),
        "steps": await workspace.steps(),
        "history": [(e.version, e.at, e.kind, e.detail, e.actor) for e in history.items],
    }


@asynccontextmanager
async def other_store(place: Place) -> AsyncIterator[Store]:
    """A store with an id and a key of its own."""
    key_file = place.folder / "other key"
    key_file.write_text(KeyFile(bytes(32)).text())
    async with Store.open(MemoryObjects(), key_file=key_file, clock=lambda: place.now) as store:
        yield store


def tally(copied: Copied) -> dict[str, tuple[int, int, int]]:
    return {one.name: (one.version, one.written, one.present) for one in copied.workspaces}


async def test_a_whole_store_is_the_same_objects_in_another_place(place: Place) -> None:
    target = MemoryObjects()
    async with place.process() as store:
        await fill(store)
        copied = await copy_store(store, target)
        assert await contents(target) == await contents(store.objects)
        assert tally(copied) == {"trip": (40, 40, 0), ODD: (1, 1, 0)}
        assert (copied.resealed, copied.slots_kept, copied.left_out) == (False, False, ())
        assert copied.store_id == store.id
        ours = await told(store.workspace("trip"))
    async with place.process(target) as copy:
        assert await told(copy.workspace("trip")) == ours
        assert (await copy.workspace(ODD).load()).state == {"odd": True}


async def test_from_the_laptop_to_the_cloud_and_back(place: Place) -> None:
    laptop, cloud = LocalObjects(place.folder / "store"), MemoryObjects()
    async with place.process(laptop) as store:
        await fill(store)
        await copy_store(store, cloud)
    async with place.process(cloud) as store:
        trip = store.workspace("trip")
        assert (await trip.start_step("book")).decision is Decision.SKIP
        await trip.save({"page": "from the cloud"}, label="cloud")
        await store.workspace("new").save(1)
        back = await copy_store(store, LocalObjects(place.folder / "store"))
    assert tally(back) == {"trip": (41, 1, 40), ODD: (1, 0, 1), "new": (1, 1, 0)}
    async with place.process(LocalObjects(place.folder / "store")) as store:
        assert (await store.workspace("trip").load(label="cloud")).version == 41
        assert (await store.workspace("new").load()).state == 1
        await store.workspace("trip").save({"page": "at home again"})


async def test_a_copy_that_was_made_before_is_brought_up_to_date(place: Place) -> None:
    target = MemoryObjects()
    async with place.process() as store:
        await fill(store)
        await copy_store(store, target)
        assert tally(await copy_store(store, target)) == {"trip": (40, 0, 40), ODD: (1, 0, 1)}
        await store.workspace("trip").save(1)
        assert tally(await copy_store(store, target)) == {"trip": (41, 1, 40), ODD: (1, 0, 1)}


async def test_one_workspace_of_a_copied_store_is_brought_up_to_date_alone(place: Place) -> None:
    target = MemoryObjects()
    async with place.process() as store:
        await fill(store)
        await copy_store(store, target)
        await store.workspace("trip").save(1)
        await store.workspace(ODD).save(1)
        copied = await copy_store(store, target, workspaces=[ODD, ODD])
        assert tally(copied) == {ODD: (2, 1, 1)}
        with pytest.raises(NotFound, match="tripp") as caught:
            await copy_store(store, target, workspaces=["tripp"])
        assert "trip" in caught.value.hint


@pytest.mark.parametrize("resealed", [False, True])
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.LOST_RESPONSE])
async def test_stopped_anywhere_it_is_a_valid_older_store_and_goes_on(
    place: Place, fault: Fault, resealed: bool
) -> None:
    async with place.process() as store, other_store(place) as other:
        await fill(store, 6)
        ours = await told(store.workspace("trip"))
        empty = other.objects if resealed else MemoryObjects()
        before = await contents(empty)

        async def copy(to: ObjectStore) -> None:
            if not resealed:
                await copy_store(store, to)
                return
            async with Store.open(to, key_file=place.folder / "other key") as opened:
                await copy_workspaces(store, opened, ["trip", ODD])

        for at in range(200):
            target = MemoryObjects()
            for key, data in before.items():
                await target.put(key, data)
            faulty = FaultyObjects(target, {at: fault})
            stopped = False
            try:
                await copy(faulty)
            except (Crash, SafepointError):
                stopped = True
            except BaseExceptionGroup as group:
                assert group.subgroup(Crash)  # noqa: PT017
                stopped = True
            key_file = place.folder / ("other key" if resealed else "key")
            if await target.list("safepoint/"):
                async with Store.open(target, key_file=key_file, create=False) as partial:
                    async for name in partial.names():
                        for event in (await partial.workspaces()).items:
                            assert event.name in ("trip", ODD), name
            await copy(target)
            async with Store.open(
                target, key_file=key_file, create=False, clock=lambda: place.now
            ) as whole:
                assert await told(whole.workspace("trip")) == ours
            if not stopped and faulty.operations <= at:
                return
        raise AssertionError("the copy never came to its end")


async def test_versions_committed_meanwhile_are_left_for_the_next_copy(place: Place) -> None:
    target = GatedObjects(MemoryObjects())
    async with place.process() as store:
        await fill(store)
        gate = target.hold("put", log_key("trip", 7))
        copying = asyncio.create_task(copy_store(store, target))
        await gate.reached.wait()
        await store.workspace("trip").save("meanwhile")
        gate.open()
        copied = await copying
        (trip,) = [one for one in copied.workspaces if one.name == "trip"]
        assert (trip.version, trip.newer, trip.target_version) == (40, True, 40)
        assert tally(await copy_store(store, target))["trip"] == (41, 1, 40)


async def test_a_target_that_went_its_own_way_is_not_overwritten(place: Place) -> None:
    target = MemoryObjects()
    async with place.process() as store:
        await fill(store)
        await copy_store(store, target)
        await store.workspace("trip").save("here")
    async with place.process(target) as copy:
        await copy.workspace("trip").save("there")
        before = await contents(target)
    async with place.process() as store:
        with pytest.raises(Conflict, match=r"'trip' has another version 41") as caught:
            await copy_store(store, target)
    assert caught.value.code == "history_differs"
    assert {k: v for k, v in (await contents(target)).items() if "log" in k} == {
        k: v for k, v in before.items() if "log" in k
    }


async def test_a_target_that_is_ahead_is_left_as_it_is(place: Place) -> None:
    target = MemoryObjects()
    async with place.process() as store:
        await fill(store)
        await copy_store(store, target)
        async with place.process(target) as copy:
            await copy.workspace("trip").save("ahead")
        copied = await copy_store(store, target)
    (trip,) = [one for one in copied.workspaces if one.name == "trip"]
    assert (trip.version, trip.written, trip.target_version) == (40, 0, 41)


async def test_places_that_hold_something_else_are_refused(place: Place) -> None:
    foreign = MemoryObjects()
    await foreign.put("photos/1.jpg", b"x")
    async with place.process() as store, other_store(place) as other:
        await fill(store, 5)
        for target, code in ((foreign, "not_empty"), (other.objects, "another_store")):
            before = await contents(target)
            with pytest.raises(Conflict) as caught:
                await copy_store(store, target)
            assert caught.value.code == code
            assert await contents(target) == before
        with pytest.raises(Conflict) as caught:
            await copy_workspaces(store, store, ["trip"])
        assert caught.value.code == "same_store"


@pytest.mark.parametrize("what", ["flipped", "swapped", "missing", "cut"])
@pytest.mark.parametrize("resealed", [False, True])
async def test_a_damaged_record_of_the_source_is_named(
    place: Place, what: str, resealed: bool
) -> None:
    key, objects = log_key("trip", 20), place.objects
    async with place.process() as store:
        await fill(store)
    data = await objects.get(key) or b""
    if what == "missing":
        await objects.delete(key)
    elif what == "swapped":
        await objects.put(key, await objects.get(log_key("trip", 21)) or b"")
    else:
        flipped = bytes([data[200] ^ 1])
        await objects.put(key, data[:200] + (flipped + data[201:] if what == "flipped" else b""))
    async with place.process() as store, other_store(place) as other:
        copy = (
            copy_workspaces(store, other, ["trip"])
            if resealed
            else copy_store(store, MemoryObjects())
        )
        with pytest.raises(Damaged, match=key):
            await copy


async def test_a_history_that_does_not_hang_together_is_not_copied(place: Place) -> None:
    """Two branches that one key sealed: each record opens, but one follows another than it says."""
    async with place.process() as store:
        await store.workspace("trip").save(1)
    branch = MemoryObjects()
    for key, data in (await contents(place.objects)).items():
        await branch.put(key, data)
    for objects, state in ((place.objects, "a"), (branch, "b")):
        async with place.process(objects) as store:
            await store.workspace("trip").save(state)
            await store.workspace("trip").save(state)
    await place.objects.put(log_key("trip", 2), await branch.get(log_key("trip", 2)) or b"")
    async with place.process() as store:
        with pytest.raises(Damaged) as caught:
            await copy_store(store, MemoryObjects())
    assert caught.value.code in ("broken_chain", "not_authentic")


async def test_a_place_that_does_not_keep_what_it_is_given_is_noticed(place: Place) -> None:
    class Forgetful(MemoryObjects):
        async def put(self, key: str, data: bytes, **options: Any) -> bool:
            return await super().put(key, data[:-1] if "/log/" in key else data, **options)

    async with place.process() as store:
        await fill(store, 5)
        with pytest.raises(Damaged) as caught:
            await copy_store(store, Forgetful(), workspaces=["trip"])
    assert caught.value.code == "not_kept"


async def test_a_removed_key_slot_does_not_come_along(place: Place) -> None:
    target = MemoryObjects()
    async with place.process() as store:
        await fill(store, 5)
        slot = await store.add_passphrase_slot("correct horse battery")
        await store.remove_slot(slot.id)
        await copy_store(store, target)
        assert await target.list("safepoint/") == [manifest_key(3)]
        await store.add_passphrase_slot("another horse battery")
        assert (await copy_store(store, target)).slots_kept is False
    async with Store.open(target, passphrase="another horse battery", create=False):
        pass
    with pytest.raises(WrongKey):
        async with Store.open(target, passphrase="correct horse battery", create=False):
            pass


async def test_key_slots_that_were_changed_in_the_copy_stay_its_own(place: Place) -> None:
    target = MemoryObjects()
    async with place.process() as store:
        await fill(store, 5)
        await copy_store(store, target)
        async with place.process(target) as copy:
            await copy.add_passphrase_slot("only in the cloud")
        await store.add_passphrase_slot("only on the laptop")
        await store.workspace("trip").save("more")
        copied = await copy_store(store, target)
    assert copied.slots_kept
    assert tally(copied)["trip"] == (6, 1, 5)
    async with Store.open(target, passphrase="only in the cloud", create=False):
        pass


async def test_what_is_no_part_of_the_store_is_left_out_and_said(place: Place) -> None:
    target = MemoryObjects()
    async with place.process() as store:
        await fill(store, 5)
        await store.objects.put("damaged/000001/workspaces/x", b"stump")
        await store.objects.put("workspaces/Not Ours!/file".replace(" ", ""), b"foreign")
        await store.objects.put("workspaces/trip/artifacts/a.txt/1", b"sealed")
        copied = await copy_store(store, target)
    assert copied.left_out == ("damaged", "workspaces/NotOurs!")
    assert await target.list("damaged/") == []
    assert await target.list("workspaces/trip/artifacts/") == [], "no version names it"


async def test_workspaces_come_into_another_store_commit_for_commit(place: Place) -> None:
    async with place.process() as store, other_store(place) as other:
        await fill(store, 300)
        await other.workspace("already here").save(1)
        copied = await copy_workspaces(store, other, ["trip", ODD])
        assert tally(copied) == {"trip": (300, 300, 0), ODD: (1, 1, 0)}
        assert (copied.resealed, copied.store_id) == (True, other.id)
        assert await told(other.workspace("trip")) == await told(store.workspace("trip"))
        for version in (1, 2, 256, 257, 299):
            ours = await store.workspace("trip").load(version=version)
            assert (await other.workspace("trip").load(version=version)).state == ours.state
        key = log_key("trip", 1)
        assert await store.objects.get(key) != await other.objects.get(key)
        keys = keys_key("trip", 1)
        assert await store.objects.get(keys) != await other.objects.get(keys)


async def test_a_step_in_flight_keeps_token_and_idempotency_key_in_another_store(
    place: Place,
) -> None:
    async with place.process() as store, other_store(place) as other:
        started = await store.workspace("trip").start_step("pay")
        await copy_workspaces(store, other, ["trip"])
        there = other.workspace("trip")
        again = await there.start_step("pay", fencing_token=started.fencing_token)
        assert again.idempotency_key == started.idempotency_key
        await there.mark_step_done("pay", fencing_token=started.fencing_token)


async def test_a_workspace_in_another_store_is_brought_up_to_date(place: Place) -> None:
    async with place.process() as store, other_store(place) as other:
        await fill(store, 20)
        await copy_workspaces(store, other, ["trip"])
        await store.workspace("trip").save("more")
        assert tally(await copy_workspaces(store, other, ["trip"])) == {"trip": (21, 1, 20)}
        await other.workspace("trip").save("ahead")
        (one,) = (await copy_workspaces(store, other, ["trip"])).workspaces
        assert (one.written, one.target_version) == (0, 22)
        await store.workspace("trip").save("another way")
        with pytest.raises(Conflict) as caught:
            await copy_workspaces(store, other, ["trip"])
        assert caught.value.code == "history_differs"


async def test_a_deleted_workspace_stays_behind_and_its_successor_is_copied_whole(
    place: Place,
) -> None:
    async with place.process() as store, other_store(place) as other:
        await fill(store, 20)
        await store.delete("trip")
        target = MemoryObjects()
        assert "trip" not in tally(await copy_store(store, target))
        with pytest.raises(NotFound):
            await copy_workspaces(store, other, ["trip"])
        again = store.workspace("trip")
        for number in range(300):
            await again.save({"again": number})
        await copy_workspaces(store, other, ["trip"])
        await copy_store(store, target)
        assert await told(other.workspace("trip")) == await told(again)
        assert (await other.workspace("trip").load(version=100)).state == {"again": 78}
    async with place.process(target) as copy:
        assert (await copy.workspace("trip").load(version=100)).state == {"again": 78}
        assert (await copy.workspace("trip").save({})).version == 322


async def test_what_was_deleted_in_the_target_does_not_come_back(place: Place) -> None:
    async with place.process() as store, other_store(place) as other:
        await fill(store, 3)
        await copy_workspaces(store, other, ["trip"])
        await other.delete("trip")
        with pytest.raises(Conflict) as caught:
            await copy_workspaces(store, other, ["trip"])
        assert caught.value.code == "workspace_deleted"


async def test_an_unrelated_workspace_of_the_same_name_is_refused(place: Place) -> None:
    async with place.process() as store, other_store(place) as other:
        await fill(store, 5)
        await other.workspace("trip").save({"page": 0, "seen": []}, label="page 0")
        with pytest.raises(Conflict, match="'trip' has another version 1"):
            await copy_workspaces(store, other, ["trip"])
        assert (await other.workspace("trip").load()).version == 1


async def test_progress_counts_every_record(place: Place) -> None:
    seen: list[tuple[int, int]] = []
    async with place.process() as store:
        await fill(store)
        await copy_store(
            store, MemoryObjects(), on_progress=lambda done, total: seen.append((done, total))
        )
    assert seen[0] == (0, 41)
    assert seen[-1] == (41, 41)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
