"""A blocking call is made where it costs least, and never keeps other tasks from their turn."""

import asyncio
import threading

import pytest

from safepoint.objects._calls import Calls

pytestmark = pytest.mark.anyio


class Clock:
    """Every call takes `seconds`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.seconds = 0.0001

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def where() -> int:
    return threading.get_ident()


async def here(calls: Calls, times: int = 40) -> int:
    """How many of so many calls were made in this thread."""
    return sum([await calls.run("where", where) == threading.get_ident() for _ in range(times)])


async def test_a_disk_that_answers_at_once_is_asked_in_the_loops_own_thread() -> None:
    calls = Calls(lambda: True, Clock())
    assert await calls.run("where", where) != threading.get_ident()
    assert await here(calls) > 20
    assert await here(calls) == 40


async def test_a_call_that_took_long_sends_those_that_follow_to_a_thread() -> None:
    clock = Clock()
    calls = Calls(lambda: True, clock)
    await here(calls)
    clock.seconds = 0.1
    await calls.run("where", where)
    clock.seconds = 0.0001
    assert 0 < await here(calls) < 40
    clock.seconds = 0.004
    await here(calls)
    assert await here(calls) == 0


async def test_what_is_large_is_written_in_a_thread() -> None:
    calls = Calls(lambda: True, Clock())
    await here(calls)
    assert await calls.run("where", where, 2**20 + 1) != threading.get_ident()


async def test_each_kind_of_operation_is_judged_by_its_own_calls() -> None:
    calls = Calls(lambda: True, Clock())
    await here(calls)

    assert await calls.run("another", where) != threading.get_ident()


async def test_calls_of_several_tasks_at_a_time_overlap() -> None:
    calls = Calls(lambda: True, Clock())
    await here(calls)
    both = threading.Barrier(2, timeout=60)
    await asyncio.gather(*[calls.run("where", both.wait) for _ in range(2)])
    assert await here(calls) == 40


async def test_a_disk_that_may_be_across_a_network_is_never_waited_for() -> None:
    assert await here(Calls(lambda: False, Clock()), 100) == 0


async def test_other_tasks_have_their_turn_between_calls() -> None:
    calls = Calls(lambda: True, Clock())
    await here(calls)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    for _ in range(50):
        await calls.run("where", where)
    task.cancel()
    assert turns >= 50


async def test_a_call_that_is_cancelled_before_its_turn_is_not_made() -> None:
    calls = Calls(lambda: True, Clock())
    await here(calls)
    done = False

    def note() -> None:
        nonlocal done
        done = True

    task = asyncio.create_task(calls.run("where", note))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not done
