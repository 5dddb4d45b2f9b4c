"""Runs that wait for people: saved, decided, resumed once, at stores in memory and on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Runner, UserError
from tests.integrations.openai_agents.script import Scripted, called, outputs, refunding, said
from tests.place import Place

from safepoint import Actor, ApprovalStatus, Conflict, LimitExceeded, Limits, NotFound, Workspace
from safepoint.integrations.openai_agents import (
    SafepointSession,
    discard_run_state,
    load_run_state,
    save_run_state,
)
from safepoint.objects.base import ObjectStore
from safepoint.objects.local import LocalObjects
from safepoint.testing.faults import Crash, Fault, FaultyObjects

pytestmark = pytest.mark.anyio

ANN = Actor("ann")


@pytest.fixture(params=["memory", "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    objects: ObjectStore | None = None
    if request.param == "local":
        objects = LocalObjects(tmp_path / "store")
    return Place(tmp_path, objects)


@pytest.fixture
async def desk(place: Place) -> AsyncIterator[Workspace]:
    async with place.process() as store:
        yield store.workspace("desk")


class Till:
    """The outside world: which orders were paid back."""

    def __init__(self) -> None:
        self.paid: list[int] = []

    def pay(self, order: int) -> str:
        self.paid.append(order)
        return f"paid {order}"


async def interrupted(agent: Agent[Any]) -> Any:
    result = await Runner.run(agent, "Pay me back")
    assert result.interruptions
    return result


async def code_of(refused: Any) -> str:
    with pytest.raises((Conflict, NotFound)) as caught:
        await refused
    return caught.value.code


async def test_a_call_is_asked_about_decided_and_runs_once(desk: Workspace) -> None:
    till = Till()
    agent = refunding(till.pay)
    saved = await save_run_state(desk, await interrupted(agent))
    assert (saved.approvals, saved.repeated) == (("call_7",), False)
    asked = await desk.approvals.get("call_7")
    assert asked.single_use
    assert asked.question == "May the agent 'Clerk' call the tool 'refund'?"
    assert isinstance(asked.subject, dict)
    assert asked.subject["arguments"] == {"order": 7}
    assert await code_of(load_run_state(desk, agent)) == "approvals_pending"

    await desk.approvals.decide("call_7", "approve", by=ANN)
    result = await Runner.run(agent, await load_run_state(desk, agent))
    assert result.final_output == "paid 7"
    assert till.paid == [7]
    used_by = (await desk.approvals.get("call_7")).used_by
    assert used_by is not None
    assert used_by.startswith("run state ")


async def test_a_call_that_was_denied_never_runs_and_the_model_is_told_why(
    desk: Workspace,
) -> None:
    till = Till()
    agent = refunding(till.pay)
    await save_run_state(desk, await interrupted(agent))
    await desk.approvals.decide("call_7", "deny", by=ANN, comment="Not without a receipt.")
    result = await Runner.run(agent, await load_run_state(desk, agent))
    assert result.final_output == "Not without a receipt."
    assert till.paid == []


async def test_of_several_calls_each_gets_its_own_answer(desk: Workspace) -> None:
    till = Till()
    agent = refunding(till.pay, 7, 8, 9)
    await save_run_state(desk, await interrupted(agent))
    await desk.approvals.decide("call_7", "approve", by=ANN)
    await desk.approvals.decide("call_8", "deny", by=ANN)
    assert await code_of(load_run_state(desk, agent)) == "approvals_pending"
    assert (await desk.approvals.get("call_7")).used_by is None
    await desk.approvals.decide("call_9", "approve", by=ANN)
    await Runner.run(agent, await load_run_state(desk, agent))
    assert sorted(till.paid) == [7, 9]


async def test_state_and_questions_are_one_commit(desk: Workspace) -> None:
    saved = await save_run_state(desk, await interrupted(refunding(Till().pay, 7, 8, 9)))
    assert saved.version == 1
    assert len(await desk.approvals.list("pending")) == 3


async def test_saving_again_asks_nothing_again_and_keeps_the_answers(desk: Workspace) -> None:
    agent = refunding(Till().pay, 7, 8)
    result = await interrupted(agent)
    await save_run_state(desk, result)
    await desk.approvals.decide("call_7", "approve", by=ANN)
    again = await save_run_state(desk, result)
    assert (again.version, again.repeated) == (2, True)
    assert (await desk.approvals.get("call_7")).status is ApprovalStatus.APPROVED


async def test_a_run_state_is_taken_once_unless_somebody_takes_responsibility(
    place: Place,
) -> None:
    till = Till()
    agent = refunding(till.pay)
    async with place.process() as store:
        desk = store.workspace("desk")
        result = await interrupted(agent)
        await save_run_state(desk, result)
        await desk.approvals.decide("call_7", "approve", by=ANN)
        await load_run_state(desk, agent)  # and then the process dies
    async with place.process() as store:
        desk = store.workspace("desk")
        assert await code_of(load_run_state(desk, agent)) == "run_state_taken"
        late = await save_run_state(desk, result)
        assert late.repeated
        assert await code_of(load_run_state(desk, agent)) == "run_state_taken"
        await Runner.run(agent, await load_run_state(desk, agent, again=True))
    assert till.paid == [7]


async def test_of_many_who_load_at_once_one_gets_it(place: Place) -> None:
    agent = refunding(Till().pay)
    async with place.process() as one, place.process() as other:
        desks = [store.workspace("desk") for store in (one, other)]
        await save_run_state(desks[0], await interrupted(agent))
        await desks[0].approvals.decide("call_7", "approve", by=ANN)
        tried = await asyncio.gather(
            *(load_run_state(desks[n % 2], agent) for n in range(6)), return_exceptions=True
        )
    refused = [found for found in tried if isinstance(found, Conflict)]
    assert len(refused) == 5
    assert {conflict.code for conflict in refused} == {"run_state_taken"}


async def test_another_call_of_the_same_id_needs_another_answer(desk: Workspace) -> None:
    await save_run_state(desk, await interrupted(agent_asking(order=7)))
    await desk.approvals.decide("call_1", "approve", by=ANN)
    changed = agent_asking(order=7000)
    await save_run_state(desk, await interrupted(changed))
    assert (await desk.approvals.get("call_1")).status is ApprovalStatus.PENDING
    assert await code_of(load_run_state(desk, changed)) == "approvals_pending"


async def test_a_used_answer_is_no_answer_for_the_same_call_in_a_later_run(
    desk: Workspace,
) -> None:
    till = Till()
    agent = refunding(till.pay)
    await save_run_state(desk, await interrupted(agent))
    await desk.approvals.decide("call_7", "approve", by=ANN)
    await Runner.run(agent, await load_run_state(desk, agent))
    later = await Runner.run(agent, "And once more")
    await save_run_state(desk, later)
    assert await code_of(load_run_state(desk, agent)) == "approvals_pending"
    assert till.paid == [7]


async def test_a_question_that_somebody_replaced_is_not_taken_for_the_call(
    desk: Workspace,
) -> None:
    agent = refunding(Till().pay)
    await save_run_state(desk, await interrupted(agent))
    await desk.approvals.request("call_7", "Shall we have lunch?", single_use=True)
    await desk.approvals.decide("call_7", "approve", by=ANN)
    assert await code_of(load_run_state(desk, agent)) == "approval_changed"


async def test_nobody_answered_in_time_is_a_no(place: Place) -> None:
    till = Till()
    agent = refunding(till.pay)
    async with place.process() as store:
        desk = store.workspace("desk")
        await save_run_state(desk, await interrupted(agent), expires_in=timedelta(hours=1))
        place.now += timedelta(hours=2)
        result = await Runner.run(agent, await load_run_state(desk, agent))
    assert result.final_output == "Nobody approved this call in time."
    assert till.paid == []


async def test_the_next_interruption_takes_the_place_of_the_first(desk: Workspace) -> None:
    first, second = refunding(Till().pay, 7, 8), refunding(Till().pay, 8)
    await save_run_state(desk, await interrupted(first))
    await save_run_state(desk, await interrupted(second))
    found = {one.name: one.status.value for one in await desk.approvals.list()}
    assert found == {"call_7": "withdrawn", "call_8": "pending"}


async def test_a_discarded_run_state_leaves_no_question_open(desk: Workspace) -> None:
    agent = refunding(Till().pay)
    assert not await discard_run_state(desk)
    await save_run_state(desk, await interrupted(agent))
    assert await discard_run_state(desk)
    assert not await discard_run_state(desk)
    assert await desk.approvals.list("pending") == ()
    assert await code_of(load_run_state(desk, agent)) == "no_run_state"


async def test_a_new_run_of_the_workspace_and_a_fork_begin_without_one(desk: Workspace) -> None:
    agent = refunding(Till().pay)
    await desk.save([])
    await save_run_state(desk, await interrupted(agent))
    await desk.fork("branch")
    branch = Workspace(desk.handle.other("branch"))
    assert await code_of(load_run_state(branch, agent)) == "no_run_state"
    await desk.start_new_run()
    assert await code_of(load_run_state(desk, agent)) == "no_run_state"


async def test_going_back_brings_no_used_answer_back(desk: Workspace) -> None:
    agent = refunding(Till().pay)
    await desk.save(["before"])
    await save_run_state(desk, await interrupted(agent))
    await desk.approvals.decide("call_7", "approve", by=ANN)
    await load_run_state(desk, agent)
    await desk.rewind(version=1)
    assert await code_of(load_run_state(desk, agent)) == "run_state_taken"


async def test_nothing_is_used_up_when_the_sdk_does_not_take_the_state(desk: Workspace) -> None:
    agent = refunding(Till().pay)
    await save_run_state(desk, await interrupted(agent))
    await desk.approvals.decide("call_7", "approve", by=ANN)
    stranger = Agent(name="Stranger", model=Scripted(lambda items: [said("?")]))
    with pytest.raises(UserError):
        await load_run_state(desk, stranger)
    assert (await desk.approvals.get("call_7")).used_by is None
    await load_run_state(desk, agent)


async def test_a_run_state_beside_a_session_leaves_its_items_alone(place: Place) -> None:
    till = Till()
    agent = refunding(till.pay)
    async with place.process() as store:
        session = SafepointSession("desk", store)
        result = await Runner.run(agent, "Pay me back", session=session)
        await save_run_state(session.workspace, result)
        before = await session.get_items()
        await session.workspace.approvals.decide("call_7", "approve", by=ANN)
        state = await load_run_state(session.workspace, agent)
        done = await Runner.run(agent, state, session=session)
        after = await session.get_items()
    assert done.final_output == "paid 7"
    assert after[: len(before)] == before
    assert outputs(after) == {"call_7": "paid 7"}
    assert [item for item in after if item.get("role") == "user"] == [
        {"content": "Pay me back", "role": "user"}
    ]


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
async def test_a_crash_at_any_operation_of_a_save_leaves_all_or_nothing(
    place: Place, fault: Fault
) -> None:
    agent = refunding(Till().pay, 7, 8)
    result = await interrupted(agent)
    for number in range(100):
        name = f"{fault}-{number}"
        faulty = FaultyObjects(place.objects)
        try:
            async with place.process(faulty, pages="off") as store:
                faulty.schedule = {faulty.operations + number: fault}
                await save_run_state(store.workspace(name), result)
                faulty.schedule = {}
        except (Crash, BaseExceptionGroup):
            pass
        async with place.process() as store:
            desk = store.workspace(name)
            head = await desk.handle.log.head()
            if head.exists:
                assert len(await desk.approvals.list("pending")) == 2
                assert await code_of(load_run_state(desk, agent)) == "approvals_pending"
            saved = await save_run_state(desk, result)
            assert (saved.version, saved.repeated) == (1, head.exists)
        if not faulty.crashed:
            break
    assert 2 < number < 50


async def test_a_run_state_that_is_too_large_says_so(place: Place) -> None:
    agent = refunding(Till().pay)
    async with place.process(limits=Limits(state_bytes=500)) as store:
        with pytest.raises(LimitExceeded, match="run state"):
            await save_run_state(store.workspace("desk"), await interrupted(agent))


async def test_arguments_that_no_screen_shows_are_named_by_their_digest(desk: Workspace) -> None:
    agent = agent_asking(order=1, note="x" * 300_000)
    await save_run_state(desk, await interrupted(agent))
    asked = await desk.approvals.get("call_1")
    assert isinstance(asked.subject, dict)
    assert asked.subject["arguments_bytes"] == 300_024
    await desk.approvals.decide("call_1", "deny", by=ANN)
    await load_run_state(desk, agent)


@pytest.mark.parametrize("call_id", [" spaced ", "bell\x07", "x" * 250])
async def test_a_call_whose_id_is_no_name_gets_one(desk: Workspace, call_id: str) -> None:
    agent = agent_asking(call_id, order=1)
    saved = await save_run_state(desk, await interrupted(agent))
    assert saved.approvals[0].startswith("call ")
    await desk.approvals.decide(saved.approvals[0], "approve", by=ANN)
    await load_run_state(desk, agent)


async def test_what_a_call_holds_is_sealed_and_its_events_name_only_counts(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, LocalObjects(tmp_path / "store"))
    async with place.process() as store:
        desk = store.workspace("desk")
        await save_run_state(desk, await interrupted(agent_asking(note="whisper-4711")))
        events = (await desk.history()).items
    assert [event.detail for event in events] == [{"schema": "1.21", "approvals": 1}]
    for path in (tmp_path / "store").rglob("*"):
        assert not path.is_file() or b"whisper-4711" not in path.read_bytes()


def agent_asking(call_id: str = "call_1", **arguments: Any) -> Agent[Any]:
    agent = refunding(Till().pay)
    agent.model = Scripted(lambda items: [called(call_id, "refund", **arguments)])
    return agent
