"""The lease of a running step: renewed while it runs; lost, it takes the step with it."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from tests.integrations.durable.hours import LEASE, Hours
from tests.place import Place

from safepoint import Decision, StepStatus, Unavailable, Workspace
from safepoint.integrations.durable import LeaseLost, StepContext, Suspended, current_step
from safepoint.testing.faults import CountingObjects, Operation

pytestmark = pytest.mark.anyio


class Work:
    """A step that goes on until it is told to end, and remembers how it was stopped."""

    def __init__(self) -> None:
        self.begun, self.end = asyncio.Event(), asyncio.Event()
        self.stopped = False
        self.step: StepContext | None = None

    async def __call__(self) -> str:
        self.step = current_step()
        self.begun.set()
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        return "done"


class Unplugged(CountingObjects):
    """A store that can be cut off."""

    error: Exception | None = None
    refused = 0

    async def around(self, operation: Operation, act: Any) -> Any:
        if self.error is not None:
            self.refused += 1
            raise self.error
        return await super().around(operation, act)


async def test_a_step_that_takes_longer_than_its_lease_keeps_it(
    work: Workspace, hours: Hours
) -> None:
    step = Work()
    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        running = asyncio.create_task(run.step("build", step))
        for _ in range(10):
            await hours.beat()
            await hours.beaten()
            assert (await work.start_step("build")).decision is Decision.WAIT
        step.end.set()
        assert await running == "done"
    kinds = [event.kind for event in (await work.history()).items]
    assert kinds == ["done", *["renew"] * 10, "start"]


async def test_a_thread_keeps_its_lease_too_also_while_it_waits_for_its_turn(
    work: Workspace, hours: Hours
) -> None:
    begun, end = threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        end.wait(30)

    async with work.durable(lease=LEASE, timing=hours.timing(), threads=1) as run:
        first = asyncio.create_task(run.step("a", block))
        await asyncio.to_thread(begun.wait)
        await hours.beat()
        await hours.beaten()
        end.set()
        await first
    assert [event.kind for event in (await work.history()).items] == ["done", "renew", "start"]


async def test_a_step_whose_lease_another_attempt_took_is_stopped_and_records_nothing(
    place: Place, work: Workspace, hours: Hours
) -> None:
    step = Work()
    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        running = asyncio.create_task(run.step("build", step))
        await step.begun.wait()
        place.now += timedelta(minutes=2)  # the machine slept
        theirs = await work.start_step("build")
        await hours.beat()
        with pytest.raises(LeaseLost, match="taken over by another attempt"):
            await running
    assert step.stopped
    assert step.step is not None
    with pytest.raises(LeaseLost):
        step.step.check()
    assert (theirs.decision, theirs.in_doubt) == (Decision.RUN, True)
    await work.mark_step_done("build", result="theirs", fencing_token=theirs.fencing_token)


async def test_a_thread_learns_by_asking_that_its_lease_is_lost(
    place: Place, work: Workspace, hours: Hours
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def build() -> None:
        step = current_step()
        begun.set()
        try:
            while True:
                step.check()
        finally:
            ended.set()

    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        running = asyncio.create_task(run.step("build", build))
        await asyncio.to_thread(begun.wait)
        place.now += timedelta(minutes=2)
        await work.start_step("build")
        await hours.beat()
        with pytest.raises(LeaseLost, match="taken over"):
            await running
        assert ended.is_set()


async def test_a_renewal_that_ends_in_something_unforeseen_stops_the_work_too(
    place: Place, hours: Hours
) -> None:
    objects, begun, end = Unplugged(place.objects), threading.Event(), threading.Event()

    def build() -> None:
        begun.set()
        end.wait(30)

    async with place.process(objects) as store:
        work = store.workspace("work")
        async with work.durable(lease=LEASE, timing=hours.timing()) as run:
            running = asyncio.create_task(run.step("build", build))
            await asyncio.to_thread(begun.wait)
            objects.error = ZeroDivisionError()
            await hours.beat()
            while objects.refused == 0:
                await asyncio.sleep(0)
            objects.error = None
            for _ in range(100):
                await asyncio.sleep(0)
            assert not running.done()
            end.set()
            with pytest.raises(ZeroDivisionError):
                await running


async def test_a_step_around_one_that_waits_is_no_failure(work: Workspace, hours: Hours) -> None:
    async def outer() -> None:
        await run.wait_for_approval("send", "Send it?", max_wait=timedelta())

    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        with pytest.raises(Suspended):
            await run.step("outer", outer)
    (step,) = (await work.steps()).items
    assert step.error is None
    again = await work.start_step("outer")
    assert again.wait_until == hours.place.now + timedelta(seconds=1)


async def test_a_lease_that_ran_out_and_that_nobody_took_is_taken_up_again(
    place: Place, work: Workspace, hours: Hours
) -> None:
    step = Work()
    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        running = asyncio.create_task(run.step("build", step))
        await hours.beat(600)
        await hours.beaten()
        step.end.set()
        assert await running == "done"


async def test_a_result_that_comes_after_the_step_was_taken_over_is_refused(
    place: Place, work: Workspace, hours: Hours
) -> None:
    step = Work()
    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        running = asyncio.create_task(run.step("build", step))
        await step.begun.wait()
        place.now += timedelta(minutes=2)
        await work.start_step("build")
        step.end.set()
        with pytest.raises(LeaseLost, match="not this process's any more"):
            await running
    (stands,) = (await work.steps()).items
    assert (stands.status, stands.attempts) == (StepStatus.RUNNING, 2)


async def test_a_step_that_somebody_records_meanwhile_is_stopped(
    work: Workspace, hours: Hours
) -> None:
    step = Work()
    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        running = asyncio.create_task(run.step("build", step))
        await step.begun.wait()
        assert step.step is not None
        await work.mark_step_done("build", result=1, fencing_token=step.step.fencing_token)
        await hours.beat()
        with pytest.raises(LeaseLost, match="somebody else has recorded"):
            await running
        assert await run.step("build", step) == 1


async def test_a_step_is_stopped_when_its_lease_ends_while_the_store_is_away(
    place: Place, hours: Hours
) -> None:
    objects, step = Unplugged(place.objects), Work()
    async with place.process(objects) as store:
        work = store.workspace("work")
        async with work.durable(lease=LEASE, timing=hours.timing()) as run:
            running = asyncio.create_task(run.step("build", step))
            await step.begun.wait()
            objects.error = Unavailable("unplugged")
            for seconds in (20, 20):
                await hours.beat(seconds)
                await hours.beaten()
                assert not step.stopped
            await hours.beat()
            with pytest.raises(LeaseLost, match="could not be renewed in time: unplugged"):
                await running
        assert step.stopped
        objects.error = None


class Silent(CountingObjects):
    """A store that, when told, does not answer any more."""

    silent = False

    async def around(self, operation: Operation, act: Any) -> Any:
        if self.silent:
            await asyncio.Event().wait()
        return await super().around(operation, act)


async def test_a_step_is_stopped_when_its_lease_ends_while_the_store_does_not_answer(
    place: Place,
) -> None:
    objects, step, lease = Silent(place.objects), Work(), timedelta(seconds=1)
    hours = Hours(place, lease)
    async with place.process(objects) as store:
        work = store.workspace("work")
        async with work.durable(lease=lease, timing=hours.timing()) as run:
            running = asyncio.create_task(run.step("build", step))
            await step.begun.wait()
            objects.silent = True
            await hours.beat(0.9)
            with pytest.raises(LeaseLost, match="the store did not answer"):
                await running
            objects.silent = False
    assert step.stopped


async def test_a_store_that_comes_back_in_time_costs_nothing(place: Place, hours: Hours) -> None:
    objects, step = Unplugged(place.objects), Work()
    async with place.process(objects) as store:
        work = store.workspace("work")
        async with work.durable(lease=LEASE, timing=hours.timing()) as run:
            running = asyncio.create_task(run.step("build", step))
            await step.begun.wait()
            objects.error = Unavailable("unplugged")
            await hours.beat()
            await hours.beaten()
            objects.error = None
            await hours.beat()
            await hours.beaten()
            step.end.set()
            assert await running == "done"


async def test_a_cancelled_step_is_free_after_a_second_and_the_next_attempt_in_doubt(
    work: Workspace, hours: Hours
) -> None:
    step = Work()
    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        running = asyncio.create_task(run.step("build", step))
        await step.begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert step.stopped
        assert await run.step("build", lambda: [current_step().attempt, current_step().in_doubt])
        assert await run.step("build", step) == [2, True]
    assert sum(hours.slept) == pytest.approx(1)


async def test_a_step_that_ends_in_spite_of_being_cancelled_is_recorded(
    work: Workspace, hours: Hours
) -> None:
    begun, end = threading.Event(), threading.Event()

    def block() -> str:
        begun.set()
        end.wait(30)
        return "done"

    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        running = asyncio.create_task(run.step("build", block))
        await asyncio.to_thread(begun.wait)
        for _ in range(2):
            running.cancel()
            await asyncio.sleep(0)
        assert not running.done()
        end.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await run.step("build", block) == "done"
    (stands,) = (await work.steps()).items
    assert stands.attempts == 1


async def test_a_thread_that_has_not_begun_is_cancelled(work: Workspace, hours: Hours) -> None:
    begun, end, ran = threading.Event(), threading.Event(), threading.Event()

    def block() -> None:
        begun.set()
        end.wait(30)

    async with work.durable(lease=LEASE, timing=hours.timing(), threads=1) as run:
        first = asyncio.create_task(run.step("a", block))
        await asyncio.to_thread(begun.wait)
        second = asyncio.create_task(run.step("b", ran.set))
        while len((await work.steps(status="running")).items) < 2:
            await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        end.set()
        await first
    assert not ran.is_set()


async def test_a_failing_sibling_in_a_group_leaves_the_others_to_be_resumed(
    work: Workspace, hours: Hours
) -> None:
    step = Work()

    async def fail() -> None:
        await step.begun.wait()
        raise ValueError("broken")

    async def program() -> None:
        durable = work.durable(lease=LEASE, timing=hours.timing())
        async with durable as run, asyncio.TaskGroup() as group:
            group.create_task(run.step("build", step))
            group.create_task(run.step("fail", fail))

    with pytest.raises(ExceptionGroup) as raised:
        await program()
    assert [str(error) for error in raised.value.exceptions] == ["broken"]
    step.end.set()
    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        assert await run.step("build", step) == "done"
