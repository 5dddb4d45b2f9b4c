"""Steps of a durable run: recorded, replayed, checked, kept apart."""

from __future__ import annotations

import asyncio
import functools
import pickle
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from tests.integrations.durable.hours import LEASE, Hours
from tests.place import Place

from safepoint import Conflict, InvalidInput, LimitExceeded, PlannedStep, StepStatus, Workspace
from safepoint.integrations.durable import (
    Codec,
    StepBlocked,
    StepFailed,
    Timing,
    current_step,
    dataclass_codec,
)

pytestmark = pytest.mark.anyio


class Calls:
    """A function that counts, and answers with its arguments."""

    def __init__(self) -> None:
        self.made: list[tuple[Any, ...]] = []

    async def __call__(self, *args: Any) -> Any:
        self.made.append(args)
        return {"got": list(args)}


async def test_a_result_is_returned_by_later_calls_without_running_the_function(
    place: Place,
) -> None:
    calls = Calls()
    for _ in range(2):
        async with place.process() as store, store.workspace("work").durable() as run:
            for _ in range(2):
                assert await run.step("fetch", calls, "a", 2) == {"got": ["a", 2]}
    assert calls.made == [("a", 2)]


async def test_the_first_call_returns_exactly_what_a_replay_returns(work: Workspace) -> None:
    shared: dict[str, Any] = {"pair": (1, 2)}

    async def fetch() -> dict[str, Any]:
        return shared

    async with work.durable() as run:
        first = await run.step("fetch", fetch)
        shared["pair"] = ()
        assert first == await run.step("fetch", fetch) == {"pair": [1, 2]}


@pytest.mark.parametrize("result", [None, "", 0, [], {"a": None}, 10**40, 0.1])
async def test_any_json_comes_back(work: Workspace, result: Any) -> None:
    async with work.durable() as run:
        for _ in range(2):
            assert await run.step("fetch", lambda: result) == result


@pytest.mark.parametrize(
    ("result", "kind"), [(object(), InvalidInput), ("x" * 300_000, LimitExceeded)]
)
async def test_a_result_that_cannot_be_recorded_is_told_and_may_be_put_right(
    work: Workspace, result: Any, kind: type[Exception]
) -> None:
    keys = []

    def fetch(answer: Any) -> Any:
        keys.append(current_step().idempotency_key)
        return answer

    async with work.durable() as run:
        with pytest.raises(kind, match="'fetch' ran, but cannot be recorded") as raised:
            await run.step("fetch", fetch, result, input=None)
        assert "effect has happened" in getattr(raised.value, "hint", "")
        (step,) = (await work.steps()).items
        assert (step.status, step.retryable) == (StepStatus.FAILED, True)
        assert await run.step("fetch", fetch, "fine", input=None) == "fine"
    assert keys == ["work:1:fetch"] * 2


async def test_another_input_under_the_same_name_is_refused(work: Workspace) -> None:
    calls = Calls()
    async with work.durable() as run:
        await run.step("fetch", calls, {"url": "a"})
        with pytest.raises(Conflict, match="another input") as raised:
            await run.step("fetch", calls, {"url": "b"})
        assert raised.value.code == "input_changed"
    assert len(calls.made) == 1


async def test_keywords_of_a_partial_are_input_too(work: Workspace) -> None:
    async def fetch(url: str, *, depth: int) -> str:
        return url * depth

    async with work.durable() as run:
        assert await run.step("fetch", functools.partial(fetch, depth=2), "a") == "aa"
        with pytest.raises(Conflict, match="another input"):
            await run.step("fetch", functools.partial(fetch, depth=3), "a")


async def test_arguments_that_are_not_json_need_an_input_that_stands_for_them(
    work: Workspace,
) -> None:
    calls = Calls()
    async with work.durable() as run:
        with pytest.raises(InvalidInput, match="arguments of step 'fetch' are not JSON") as raised:
            await run.step("fetch", calls, calls)
        assert "input=" in raised.value.hint
        assert calls.made == []
        await run.step("fetch", Calls.__call__, calls, "a", input="a")
    assert calls.made == [("a",)]


async def test_a_codec_turns_results_into_json_and_back(work: Workspace) -> None:
    @dataclass(frozen=True)
    class Point:
        x: int
        names: dict[str, str]

    async with work.durable() as run:
        for _ in range(2):
            point = await run.step(
                "locate", lambda: Point(3, {"a": "b"}), codec=dataclass_codec(Point)
            )
            assert point == Point(3, {"a": "b"})
            found = await run.step("set", lambda: {3, 1}, codec=Codec(sorted, frozenset))
            assert found == {1, 3}


async def test_a_codec_that_does_not_fit_is_a_failure_that_may_be_put_right(
    work: Workspace,
) -> None:
    async with work.durable() as run:
        with pytest.raises(InvalidInput, match="its codec does not take the result: TypeError"):
            await run.step("set", lambda: 3, codec=Codec(sorted, frozenset))
        assert await run.step("set", lambda: {3}, codec=Codec(sorted, frozenset)) == {3}


async def test_steps_run_side_by_side_and_a_repeated_name_is_the_same_step(
    work: Workspace, hours: Hours
) -> None:
    calls, all_there = Calls(), asyncio.Barrier(3)

    async def page(number: int) -> int:
        await all_there.wait()
        await calls(number)
        return number

    async with (
        work.durable(lease=LEASE, timing=hours.timing()) as run,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(run.step(f"page-{n % 3}", page, n % 3)) for n in range(6)]
    assert [task.result() for task in tasks] == [0, 1, 2, 0, 1, 2]
    assert sorted(calls.made) == [(0,), (1,), (2,)]


async def test_a_step_knows_its_own_attempt_and_key(work: Workspace) -> None:
    async def outer() -> list[Any]:
        step = current_step()
        inner = await run.step("inner", lambda: current_step().idempotency_key)
        assert current_step() is step
        return [step.name, step.attempt, step.idempotency_key, step.in_doubt, inner]

    async with work.durable() as run:
        told = await run.step("outer", outer)
    assert told == ["outer", 1, "work:1:outer", False, "work:1:inner"]
    with pytest.raises(InvalidInput, match="no durable step"):
        current_step()


async def test_a_step_inside_itself_is_refused_instead_of_waiting_for_ever(
    work: Workspace,
) -> None:
    async with work.durable() as run:

        async def outer() -> None:
            await run.step("outer", outer)

        with pytest.raises(InvalidInput, match="wait for itself"):
            await run.step("outer", outer)


async def test_a_function_that_is_no_coroutine_runs_in_a_thread_and_sees_its_step(
    work: Workspace,
) -> None:
    def thread() -> list[Any]:
        return [threading.current_thread().name.split("_")[0], current_step().name]

    async with work.durable() as run:
        assert await run.step("sync", thread) == ["safepoint-step", "sync"]
        assert await run.step("late", lambda: Calls()("a")) == {"got": ["a"]}
        with pytest.raises(RuntimeError, match="StopIteration"):
            await run.step("stop", lambda: next(iter(())))


async def test_the_state_is_saved_in_the_commit_that_records_the_step(work: Workspace) -> None:
    async def fetch() -> int:
        current_step().save(patch={"pages": 1}, summary="one page")
        return 1

    async with work.durable() as run:
        await run.step("fetch", fetch)
    (done, started) = (await work.history()).items
    assert (done.kind, started.kind) == ("done", "start")
    there = await work.load()
    assert (there.state, there.brief.summary) == ({"pages": 1}, "one page")


async def test_a_step_that_others_finished_or_skipped_is_not_run(work: Workspace) -> None:
    calls = Calls()
    await work.plan_steps(["a", "b"])
    await work.mark_step_done("a", result="by hand")
    await work.mark_step_done("b", status="skipped")
    async with work.durable() as run:
        assert await run.step("a", calls) == "by hand"
        assert await run.step("b", calls, codec=Codec(str, lambda data: [data])) is None
    assert calls.made == []


async def test_a_step_that_others_hold_is_waited_for(work: Workspace, hours: Hours) -> None:
    started = await work.start_step("fetch")

    async def finish(seconds: float) -> None:
        await hours.sleep(seconds)
        if len(hours.slept) == 3:
            await work.mark_step_done("fetch", result="theirs", fencing_token=started.fencing_token)

    async with work.durable(timing=Timing(finish, lambda: 0.0)) as run:
        assert await run.step("fetch", Calls()) == "theirs"
    assert hours.slept == [0.25, 0.5, 1.0]


async def test_a_step_that_a_dead_process_held_is_run_once_its_lease_is_over_and_in_doubt(
    work: Workspace, hours: Hours
) -> None:
    dead = await work.start_step("fetch", lease=LEASE)

    async def fetch() -> list[Any]:
        step = current_step()
        assert "never reported" in step.advice
        return [step.attempt, step.in_doubt, step.idempotency_key]

    async with work.durable(lease=LEASE, timing=hours.timing()) as run:
        assert await run.step("fetch", fetch) == [2, True, dead.idempotency_key]
    assert sum(hours.slept) == pytest.approx(60)


async def test_a_step_that_comes_after_others_is_refused_by_their_names(work: Workspace) -> None:
    await work.plan_steps(["a", PlannedStep("b", after=("a",), needs_approval=("ok",))])
    async with work.durable() as run:
        with pytest.raises(StepBlocked, match="'b' cannot start yet: it needs 'a'") as raised:
            await run.step("b", Calls())
        assert pickle.loads(pickle.dumps(raised.value)).needs == ("a",)
        await run.step("a", Calls())
        with pytest.raises(StepBlocked, match="needs 'ok'") as raised:
            await run.step("b", Calls())
        assert raised.value.approvals == ("ok",)


async def test_a_program_does_not_go_on_in_a_run_that_is_not_its_own(work: Workspace) -> None:
    calls = Calls()
    async with work.durable() as run:
        await run.step("a", calls)
        await work.start_new_run()
        with pytest.raises(Conflict, match="run 1 of workspace 'work' has ended") as raised:
            await run.step("b", calls)
        assert raised.value.code == "other_run"
        for wait in (
            run.wait_for_approval("ok", "Go on?"),
            run.sleep_for("rest", timedelta(minutes=1)),
        ):
            with pytest.raises(Conflict, match="has ended"):
                await wait
        assert await work.approvals.list() == ()
    assert len(calls.made) == 1
    async with work.durable() as run:
        await run.step("b", calls)


async def test_a_run_is_used_inside_of_its_block(work: Workspace) -> None:
    run = work.durable()
    for round_ in range(2):
        with pytest.raises(InvalidInput, match="not open"):
            await run.step("a", Calls())
        with pytest.raises(InvalidInput, match="not open"):
            await run.wait_for_approval("ok", "Go on?")
        async with run:
            await run.step(f"a{round_}", lambda: None)


async def test_a_failure_for_good_is_told_at_every_replay(place: Place) -> None:
    async def fetch() -> None:
        raise ValueError("no such page" + "!" * 5000)

    async with place.process() as store, store.workspace("work").durable() as run:
        with pytest.raises(ValueError, match="no such page"):
            await run.step("fetch", fetch)
    async with place.process() as store, store.workspace("work").durable() as run:
        with pytest.raises(StepFailed, match="failed for good: ValueError: no such page") as raised:
            await run.step("fetch", fetch)
        again = pickle.loads(pickle.dumps(raised.value))
        assert (again.step, again.attempts, again.code) == ("fetch", 1, "step_failed")
        assert again.error.startswith("ValueError: no such page!")
        assert again.error.endswith("…")
