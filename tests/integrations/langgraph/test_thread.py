"""Which calls share a commit, and which wait for one another."""

from __future__ import annotations

import asyncio

import pytest
from tests.integrations.langgraph.test_commands import put, write
from tests.place import Place

from safepoint import LimitExceeded, Limits, Store
from safepoint.integrations.langgraph.commands import Put
from safepoint.integrations.langgraph.packed import Blob
from safepoint.integrations.langgraph.thread import Habit, Thread

pytestmark = pytest.mark.anyio


def thread_of(store: Store, habit: Habit) -> Thread:
    return Thread(store.open_log("t"), store.actor, habit, lambda: None)


async def versions(store: Store) -> int:
    return (await store.open_log("t").log.head()).version


async def soon() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_what_waits_for_its_turn_goes_into_one_commit(store: Store) -> None:
    thread = thread_of(store, Habit())
    await thread.commit(put("1"))
    await asyncio.gather(*(thread.commit(write("1", f"task {number}")) for number in range(40)))
    assert await versions(store) == 2


async def test_writes_wait_for_the_checkpoint_that_follows_where_that_is_the_habit(
    store: Store,
) -> None:
    habit = Habit(patience=3600)
    thread = thread_of(store, habit)
    await thread.commit(put("1"))
    habit.overlaps = True
    writing = asyncio.create_task(thread.commit(write("1")))
    await soon()
    assert not writing.done()
    assert await thread.commit(put("2", "1"))
    await writing
    assert await versions(store) == 2
    assert habit.overlaps


async def test_they_do_not_where_it_is_not(store: Store) -> None:
    thread = thread_of(store, Habit(patience=3600))
    for number in range(3):
        await thread.commit(put(str(number)))
        await thread.commit(write(str(number)))
    assert await versions(store) == 6


async def test_only_what_is_too_large_is_refused(place: Place) -> None:
    def large(id_: str, size: int) -> Put:
        return put(id_, values={"x": Blob("bytes", b"x" * size)})

    async with place.process(limits=Limits(document_bytes=5000)) as store:
        thread = thread_of(store, Habit())
        calls = (large("1", 100), large("2", 9000), large("3", 100), write("3"))
        results = await asyncio.gather(*map(thread.commit, calls), return_exceptions=True)
        assert [isinstance(one, LimitExceeded) for one in results] == [False, True, False, False]


async def test_a_caller_that_went_away_leaves_its_commit_to_be_done(store: Store) -> None:
    thread = thread_of(store, Habit())
    going = asyncio.create_task(thread.commit(put("1")))
    await asyncio.sleep(0)
    going.cancel()
    await thread.idle()
    assert going.cancelled()
    assert await versions(store) == 1
    await thread.commit(put("2", "1"))
