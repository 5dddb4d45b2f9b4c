"""Pruning behind commits: where there is a policy, a block at a time, and in nobody's way."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import NotFound, RetentionPolicy, Store
from safepoint.behind.pruning import AT_MOST
from safepoint.testing.faults import CountingObjects, Fault, FaultyObjects

pytestmark = pytest.mark.anyio

LAST_10 = RetentionPolicy(keep_last=10)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def save(store: Store, count: int) -> None:
    for number in range(count):
        await store.workspace("work").save(number)


async def kinds(place: Place) -> list[str]:
    async with place.process() as store:
        return [event.kind for event in (await store.workspace("work").history(limit=40)).items]


async def test_a_workspace_that_begins_a_block_is_pruned_by_the_policy_of_the_store(
    place: Place,
) -> None:
    async with place.process() as store:
        await store.retention.set(LAST_10)
        await save(store, 530)
    async with place.process() as store:
        events = (await store.workspace("work").history(limit=1)).items
        assert (events[0].kind, events[0].actor.name) == ("prune", "safepoint")
        assert events[0].actor.transport == "retention"
        with pytest.raises(NotFound, match="pruned"):
            await store.workspace("work").load(version=300)
        assert (await store.workspace("work").load(version=525)).state == 524


async def test_without_a_policy_nothing_is_pruned(place: Place) -> None:
    async with place.process() as store:
        await save(store, 530)
    assert set(await kinds(place)) == {"save"}


async def test_it_can_be_switched_off(place: Place) -> None:
    async with place.process(prune=False) as store:
        await store.retention.set(LAST_10)
        await save(store, 530)
    assert set(await kinds(place)) == {"save"}


async def test_less_than_a_blocks_worth_is_not_worth_a_commit(place: Place) -> None:
    async with place.process() as store:
        await store.workspace("work").save(0)
        await store.workspace("work").retention.set(RetentionPolicy(keep_last=300))
        await save(store, 530)
    assert set(await kinds(place)) == {"save"}


async def test_a_round_removes_a_bounded_number_of_objects_and_later_ones_the_rest(
    place: Place,
) -> None:
    async with place.process(prune=False) as store:
        await store.retention.set(LAST_10)
        await save(store, 2047)
    place.now += timedelta(days=3)
    removed = []
    for _ in range(8):
        counting = CountingObjects(place.objects)
        async with place.process(counting) as store:
            await save(store, 258)
            place.now += timedelta(days=3)
        removed.append(counting.count("delete"))
    assert max(removed) == AT_MOST
    assert removed[-1] < AT_MOST
    assert sum(removed) > 3000
    async with place.process() as store:
        assert (await store.workspace("work").verify()).problems == ()


async def test_a_store_that_fails_then_fails_no_save(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    faulty = FaultyObjects(place.objects)
    async with place.process(faulty) as store:
        await store.retention.set(LAST_10)
        await save(store, 530)
        at = faulty.operations
        faulty.schedule = dict.fromkeys(range(at, at + 40), Fault.REFUSED)
    assert "old versions could not be pruned" in caplog.text
    assert set(await kinds(place)) == {"save"}
