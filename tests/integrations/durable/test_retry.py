"""Failures: which are tried again, when, how often, and what is left of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.integrations.durable.hours import Hours
from tests.place import Place

from safepoint import InvalidInput, StepStatus, Workspace
from safepoint.integrations.durable import Retry, StepFailed, Suspended, current_step

pytestmark = pytest.mark.anyio


class Flaky:
    """Raises so many times, then answers with the number of its calls."""

    def __init__(self, failures: int, error: type[Exception] = ConnectionError) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error(f"failure {self.calls}")
        return self.calls


async def test_a_failed_step_is_tried_again_after_longer_and_longer(
    work: Workspace, hours: Hours
) -> None:
    flaky = Flaky(4)
    policy = Retry(4, first=timedelta(seconds=2), factor=3, longest=timedelta(seconds=30))
    async with work.durable(timing=hours.timing()) as run:
        assert await run.step("fetch", flaky, retries=policy) == 5
    assert hours.slept == [2, 6, 18, 30]
    kinds = [event.kind for event in (await work.history()).items]
    assert kinds == ["done", "start", *["failed", "start"] * 4]


async def test_the_attempt_knows_the_failure_before_it(work: Workspace, hours: Hours) -> None:
    seen: list[Any] = []

    async def fetch() -> None:
        step = current_step()
        seen.append((step.attempt, step.last_error, step.in_doubt, step.idempotency_key))
        if step.attempt == 1:
            raise ConnectionError("no route")

    async with work.durable(timing=hours.timing()) as run:
        await run.step("fetch", fetch, retries=1)
    key = "work:1:fetch"
    assert seen == [(1, None, False, key), (2, "ConnectionError: no route", False, key)]


async def test_the_original_exception_is_raised_when_no_attempt_is_left(
    work: Workspace, hours: Hours
) -> None:
    flaky = Flaky(9)
    async with work.durable(timing=hours.timing()) as run:
        with pytest.raises(ConnectionError, match="failure 3"):
            await run.step("fetch", flaky, retries=2)
    (step,) = (await work.steps()).items
    assert (step.status, step.retryable, step.attempts) == (StepStatus.FAILED, False, 3)


async def test_attempts_are_counted_through_the_deaths_of_processes(place: Place) -> None:
    flaky, policy = Flaky(9), Retry(2, first=timedelta(hours=1), jitter=0)
    for _ in range(2):
        async with place.process() as store:
            async with store.workspace("work").durable(max_wait=timedelta()) as run:
                with pytest.raises(Suspended, match="failure") as raised:
                    await run.step("fetch", flaky, retries=policy)
            with pytest.raises(Suspended):
                async with store.workspace("work").durable(max_wait=timedelta()) as run:
                    await run.step("fetch", flaky, retries=policy)
        assert raised.value.until is not None
        place.now = raised.value.until
    async with place.process() as store, store.workspace("work").durable() as run:
        with pytest.raises(ConnectionError, match="failure 3"):
            await run.step("fetch", flaky, retries=policy)
        with pytest.raises(StepFailed, match="failure 3"):
            await run.step("fetch", flaky, retries=policy)
    assert flaky.calls == 3


async def test_a_workspace_whose_step_waits_for_its_retry_is_due_then(place: Place) -> None:
    async with place.process() as store:
        async with store.workspace("work").durable(max_wait=timedelta()) as run:
            with pytest.raises(Suspended):
                await run.step("fetch", Flaky(1), retries=Retry(1, first=timedelta(hours=1)))
        assert not (await store.workspaces(status="due")).items
        place.now += timedelta(hours=1)
        (info,) = (await store.workspaces(status="due")).items
        assert [(due.kind, due.name) for due in info.due] == [("retry", "fetch")]


@pytest.mark.parametrize(
    "on",
    [ConnectionError, (ConnectionError, KeyError), lambda error: isinstance(error, OSError)],
    ids=["type", "types", "function"],
)
async def test_only_the_named_exceptions_are_tried_again(
    work: Workspace, hours: Hours, on: Any
) -> None:
    async with work.durable(timing=hours.timing()) as run:
        assert await run.step("a", Flaky(1), retries=Retry(on=on)) == 2
        with pytest.raises(ValueError, match="failure 1"):
            await run.step("b", Flaky(1, ValueError), retries=Retry(on=on))


async def test_what_failed_for_good_is_tried_again_when_the_program_is_told_to(
    work: Workspace, hours: Hours
) -> None:
    flaky = Flaky(3)
    async with work.durable(timing=hours.timing()) as run:
        with pytest.raises(ConnectionError):
            await run.step("fetch", flaky, retries=1)
    async with work.durable(retry_failed=True, timing=hours.timing()) as run:
        assert await run.step("fetch", flaky, retries=1) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"retries": -1},
        {"first": timedelta(seconds=-1)},
        {"longest": timedelta(days=400)},
        {"factor": 0.5},
        {"jitter": 2},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInput):
        Retry(**wrong)


def test_a_delay_is_drawn_from_its_upper_part() -> None:
    policy = Retry(first=timedelta(seconds=8), jitter=0.25)
    assert policy.delay(1, 0.0) == timedelta(seconds=8)
    assert policy.delay(1, 1.0) == timedelta(seconds=6)
    assert policy.delay(10**9, 0.0) == timedelta(minutes=1)
