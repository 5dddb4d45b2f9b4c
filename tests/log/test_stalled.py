"""A process that slept for days: it never takes a freed number, or an old view, for the truth."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.place import Place

from safepoint import OutcomeUnknown, Patience, RetentionPolicy
from safepoint.format.keys import log_key
from safepoint.testing.faults import CountingObjects, GatedObjects

pytestmark = pytest.mark.anyio

LAST_10 = RetentionPolicy(keep_last=10)


class Timer:
    """Seconds that only the test lets pass."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def patience(self) -> Patience:
        return Patience(5, 0.05, self)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def go_on_and_prune(place: Place, versions: int) -> None:
    """What others do while somebody sleeps: versions, then a prune that frees most of them."""
    async with place.process(prune=False) as store:
        work = store.workspace("work")
        for number in range(versions):
            await work.save({"n": number})
        place.now += timedelta(days=3)
        await work.retention.prune(LAST_10)


async def test_a_put_that_won_a_freed_number_is_not_acknowledged_and_leaves_nothing(
    place: Place,
) -> None:
    gated, timer = GatedObjects(place.objects), Timer()
    async with place.process(gated, patience=timer.patience()) as slow:
        await slow.workspace("work").save(1)
        gate = gated.hold("put", log_key("work", 2))
        saving = asyncio.create_task(slow.workspace("work").save({"lost": True}))
        await gate.reached.wait()
        await go_on_and_prune(place, 900)
        assert await place.objects.get(log_key("work", 2)) is None
        timer.seconds += 3 * 86400
        gate.open()
        with pytest.raises(OutcomeUnknown, match="nothing was saved as version 2") as refused:
            await saving
        assert refused.value.code == "stalled"
        assert await place.objects.get(log_key("work", 2)) is None
        assert (await slow.workspace("work").load()).state == {"n": 899}
        assert (await slow.workspace("work").save(5)).version == 903


async def test_a_slow_put_that_nobody_overtook_is_acknowledged(place: Place) -> None:
    gated, timer = GatedObjects(place.objects), Timer()
    async with place.process(gated, patience=timer.patience()) as slow:
        await slow.workspace("work").save(1)
        gate = gated.hold("put", log_key("work", 2), acted=True)
        saving = asyncio.create_task(slow.workspace("work").save(2))
        await gate.reached.wait()
        async with place.process() as other:
            await other.workspace("work").save(3)  # builds on it
        timer.seconds += 86400
        gate.open()
        assert (await saving).version == 2
        assert (await slow.workspace("work").load()).state == 3


async def test_a_commit_that_was_kept_since_is_acknowledged_however_late(place: Place) -> None:
    gated, timer = GatedObjects(place.objects), Timer()
    async with place.process(gated, patience=timer.patience()) as slow:
        await slow.workspace("work").save(1)
        gate = gated.hold("put", log_key("work", 2), acted=True)
        saving = asyncio.create_task(slow.workspace("work").save(2, label="kept"))
        await gate.reached.wait()
        await go_on_and_prune(place, 900)
        timer.seconds += 3 * 86400
        gate.open()
        assert (await saving).version == 2
        assert (await slow.workspace("work").load(label="kept")).state == 2


async def test_an_old_view_is_looked_at_again_by_a_list(place: Place) -> None:
    """The record after it may have come and gone: that it is not there tells nothing."""
    counting, timer = CountingObjects(place.objects), Timer()
    async with place.process(counting, patience=timer.patience()) as idle:
        await idle.workspace("work").save(1)
        await go_on_and_prune(place, 900)
        timer.seconds += 601
        counting.clear()
        assert (await idle.workspace("work").load()).state == {"n": 899}
        assert counting.count("list") > 0
        timer.seconds += 601
        saved = await idle.workspace("work").save(2)
        assert saved.version == 903


async def test_a_fresh_view_costs_one_request(place: Place) -> None:
    counting, timer = CountingObjects(place.objects), Timer()
    async with place.process(counting, patience=timer.patience()) as store:
        await store.workspace("work").save(1)
        timer.seconds += 599
        counting.clear()
        await store.workspace("work").save(2)
        assert [operation.verb for operation in counting.operations] == ["put"]
