"""The commit loop: conflicts are merged, lost answers are looked up, doubt is called doubt."""

from __future__ import annotations

import asyncio

import pytest
from tests.place import Place

from safepoint import Conflict, OutcomeUnknown, Patience, Unavailable
from safepoint.format.keys import keys_key, log_key
from safepoint.testing.faults import CountingObjects, Fault, FaultyObjects, GatedObjects

pytestmark = pytest.mark.anyio

NEXT = log_key("work", 2)


async def grow(place: Place, versions: int = 1) -> None:
    async with place.process() as store:
        for _ in range(versions):
            await store.workspace("work").save({"a": 0, "b": 0})


async def events(place: Place) -> list[str]:
    async with place.process() as store:
        page = await store.workspace("work").history(limit=100)
    return [event.kind for event in reversed(page.items)]


async def test_two_processes_that_patch_at_once_lose_nothing(place: Place) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as slow, place.process() as quick:
        gate = gated.hold("put", NEXT)
        saving = asyncio.create_task(slow.workspace("work").save(patch={"a": 1}))
        await gate.reached.wait()
        first = await quick.workspace("work").save(patch={"b": 2})
        gate.open()
        assert (first.version, (await saving).version) == (2, 3)
        for store in (slow, quick):
            assert (await store.workspace("work").load()).state == {"a": 1, "b": 2}


async def test_two_processes_that_start_a_step_at_once_run_it_once(place: Place) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as slow, place.process() as quick:
        gate = gated.hold("put", NEXT)
        starting = asyncio.create_task(slow.workspace("work").start_step("send"))
        await gate.reached.wait()
        assert (await quick.workspace("work").start_step("send")).decision == "run"
        gate.open()
        assert (await starting).decision == "wait"


async def test_what_was_expected_is_asked_again_after_a_conflict(place: Place) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as slow, place.process() as quick:
        gate = gated.hold("put", NEXT)
        saving = asyncio.create_task(slow.workspace("work").save(1, expected_version=1))
        await gate.reached.wait()
        await quick.workspace("work").save(2, label="theirs")
        gate.open()
        with pytest.raises(Conflict, match="Since then: 2 save 'theirs' by tester"):
            await saving
    assert await events(place) == ["save", "save"]


async def test_a_stale_process_is_not_refused_for_what_it_had_not_seen(place: Place) -> None:
    async with place.process() as stale, place.process() as other:
        await stale.workspace("work").save(1)
        await other.workspace("work").save(2)
        assert (await stale.workspace("work").save(3, expected_version=2)).version == 3


async def test_a_stale_process_does_not_answer_from_what_it_had_seen(place: Place) -> None:
    """It had seen that another holds the step; by now that is done."""
    async with place.process() as stale, place.process() as other:
        token = (await other.workspace("work").start_step("send")).fencing_token
        assert (await stale.workspace("work").start_step("send")).decision == "wait"
        await other.workspace("work").mark_step_done("send", result=7, fencing_token=token)
        answer = await stale.workspace("work").start_step("send")
        assert (answer.decision, answer.result) == ("skip", 7)


async def test_both_makers_of_a_workspace_use_the_same_keys(place: Place) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as slow, place.process() as quick:
        gate = gated.hold("put", keys_key("work", 1))
        saving = asyncio.create_task(slow.workspace("work").save(1))
        await gate.reached.wait()
        await quick.workspace("work").save(2)
        gate.open()
        assert (await saving).version == 2
    assert await events(place) == ["save", "save"]


async def test_tasks_of_one_process_take_turns_without_conflicts(place: Place) -> None:
    counting = CountingObjects(place.objects)
    async with place.process(counting) as store:
        work = store.workspace("work")
        await work.save({})
        counting.clear()
        saved = await asyncio.gather(*(work.save(patch={str(n): n}) for n in range(20)))
        assert sorted(one.version for one in saved) == list(range(2, 22))
        assert counting.count("put") == 20
        assert (await work.load()).state == {str(n): n for n in range(20)}


@pytest.mark.parametrize("fault", [Fault.LOST_RESPONSE, Fault.TIMED_OUT, Fault.LATE])
@pytest.mark.parametrize("operation", [2, 4], ids=["keys", "record"])
async def test_a_first_save_without_an_answer_is_looked_up_and_succeeds_once(
    place: Place, fault: Fault, operation: int
) -> None:
    async with place.process():
        pass
    faulty = FaultyObjects(place.objects)
    async with place.process(faulty) as store:
        start = faulty.operations
        faulty.schedule = {start + operation: fault}
        assert (await store.workspace("work").save({"a": 1})).version == 1
        await faulty.land()
    async with place.process() as store:
        work = store.workspace("work")
        assert (await work.load()).state == {"a": 1}
        assert len((await work.history()).items) == 1


async def test_a_lost_answer_is_not_taken_for_a_conflict(place: Place) -> None:
    """The put happened and said nothing; sent again it finds its own object there."""
    await grow(place)
    faulty = FaultyObjects(place.objects)
    async with place.process(faulty) as store:
        work = store.workspace("work")
        await work.load()
        put = faulty.operations
        faulty.schedule = {put: Fault.LOST_RESPONSE, put + 1: Fault.REFUSED}
        assert (await work.save(patch={"a": 1})).version == 2
    assert await events(place) == ["save", "save"]


async def test_the_answer_to_the_making_of_a_store_may_be_lost_too(place: Place) -> None:
    faulty = FaultyObjects(place.objects, {2: Fault.LOST_RESPONSE})
    async with place.process(faulty) as store:
        await store.workspace("work").save(1)
    assert await events(place) == ["save"]


@pytest.mark.parametrize("fault", [Fault.LOST_RESPONSE, Fault.TIMED_OUT])
async def test_out_of_time_it_says_that_it_may_have_been_committed(
    place: Place, fault: Fault
) -> None:
    await grow(place)
    faulty = FaultyObjects(place.objects)
    async with place.process(faulty, patience=Patience(unknown=0)) as store:
        work = store.workspace("work")
        await work.load()
        put = faulty.operations
        faulty.schedule = {put: fault, put + 1: Fault.REFUSED}
        with pytest.raises(OutcomeUnknown, match="may or may not have been committed") as caught:
            await work.save(patch={"a": 1}, request_id="r1")
        assert "request_id" in caught.value.hint
        happened = fault is Fault.LOST_RESPONSE
        assert (await work.save(patch={"a": 1}, request_id="r1")).repeated == happened
    assert await events(place) == ["save", "save"]


async def test_what_was_refused_was_certainly_not_committed(place: Place) -> None:
    await grow(place)
    faulty = FaultyObjects(place.objects)
    async with place.process(faulty) as store:
        work = store.workspace("work")
        await work.load()
        faulty.schedule = {faulty.operations: Fault.REFUSED}
        with pytest.raises(Unavailable) as caught:
            await work.save(2)
        assert not isinstance(caught.value, OutcomeUnknown)
        assert (await work.load()).version == 1
        assert (await work.save(2)).version == 2


async def test_with_too_many_writers_it_gives_up_and_says_that_nothing_was_committed(
    place: Place,
) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with (
        place.process(gated, patience=Patience(contention=0)) as slow,
        place.process() as quick,
    ):
        gate = gated.hold("put", NEXT)
        saving = asyncio.create_task(slow.workspace("work").save(label="mine"))
        await gate.reached.wait()
        await quick.workspace("work").save(label="theirs")
        gate.open()
        with pytest.raises(Unavailable, match="nothing was committed after 1 attempts") as caught:
            await saving
        assert caught.value.code == "contention"
        labels = [c.label for c in (await quick.workspace("work").checkpoints()).items]
        assert labels == ["theirs", None]


async def test_a_cancelled_call_leaves_the_workspace_usable(place: Place) -> None:
    await grow(place)
    gated = GatedObjects(place.objects)
    async with place.process(gated) as store:
        work = store.workspace("work")
        gate = gated.hold("put", NEXT, acted=True)
        saving = asyncio.create_task(work.save({"cancelled": True}))
        await gate.reached.wait()
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        assert (await work.load()).state == {"cancelled": True}
        assert (await work.save(patch={"next": 1})).version == 3


async def test_a_refused_command_costs_one_look_and_changes_nothing(place: Place) -> None:
    await grow(place)
    counting = CountingObjects(place.objects)
    async with place.process(counting) as store:
        work = store.workspace("work")
        await work.load()
        counting.clear()
        with pytest.raises(Conflict):
            await work.save(1, expected_version=9)
        assert counting.count("put") == 0
