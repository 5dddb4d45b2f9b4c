"""Waiting for people and for times, in this process or in a later one."""

from __future__ import annotations

import pickle
from datetime import timedelta

import pytest
from tests.integrations.durable.hours import Hours
from tests.place import Place

from safepoint import Actor, ApprovalStatus, InvalidInput, PlannedStep, Store, Workspace
from safepoint.integrations.durable import NotApproved, Suspended, Timing

pytestmark = pytest.mark.anyio

NOW = timedelta()
ANNA = Actor("anna")


class Person:
    """Decides while the program looks for the third time."""

    def __init__(self, work: Workspace, hours: Hours, verdict: str, **more: object) -> None:
        self.work, self.hours, self.verdict, self.more = work, hours, verdict, more

    async def sleep(self, seconds: float) -> None:
        await self.hours.sleep(seconds)
        if len(self.hours.slept) == 3:
            await self.work.approvals.decide(
                "send",
                self.verdict,
                by=ANNA,
                **self.more,  # type: ignore[arg-type]
            )

    def timing(self) -> Timing:
        return Timing(self.sleep, lambda: 0.0)


async def test_an_approval_is_waited_for_by_looking_less_and_less_often(
    work: Workspace, hours: Hours
) -> None:
    person = Person(work, hours, "answer", answer="Alma", comment="the nicer one")
    async with work.durable(timing=person.timing()) as run:
        given = await run.wait_for_approval("send", "Which hotel?", options=["Alma", "Bela"])
    assert (given.answer, given.comment) == ("Alma", "the nicer one")
    assert hours.slept == [0.25, 0.5, 1.0]
    async with work.durable(timing=hours.timing()) as run:
        again = await run.wait_for_approval("send", "Which hotel?", options=["Alma", "Bela"])
    assert again == given


async def test_a_no_does_not_let_the_program_go_on(work: Workspace, hours: Hours) -> None:
    person = Person(work, hours, "deny", comment="too dear")
    async with work.durable(timing=person.timing()) as run:
        with pytest.raises(NotApproved, match="'send' is denied by anna: too dear") as raised:
            await run.wait_for_approval("send", "Send it?", subject={"to": "all"})
    assert pickle.loads(pickle.dumps(raised.value)).approval.status is ApprovalStatus.DENIED


async def test_a_question_that_expires_is_not_approved_and_asked_anew_by_the_next_start(
    work: Workspace, hours: Hours
) -> None:
    async with work.durable(timing=hours.timing()) as run:
        with pytest.raises(NotApproved, match="is expired"):
            await run.wait_for_approval("send", "Send it?", expires_in=timedelta(hours=1))
        with pytest.raises(Suspended):
            await run.wait_for_approval(
                "send", "Send it?", expires_in=timedelta(hours=1), max_wait=NOW
            )
    assert sum(hours.slept) >= 3600


async def test_a_program_asks_ends_and_goes_on_when_it_was_answered(place: Place) -> None:
    sent = []

    async def program(store: Store) -> None:
        async with store.workspace("work").durable(max_wait=NOW) as run:
            draft = await run.step("draft", lambda: sent.append("draft") or "Hello")
            await run.wait_for_approval("send", "Send it?", subject=draft)
            await run.step("send", lambda: sent.append("send"))

    async with place.process() as store:
        for _ in range(2):
            with pytest.raises(Suspended, match="'send' is not decided yet") as raised:
                await program(store)
        assert raised.value.until is None
        assert not (await store.workspaces(status="due")).items
    async with place.process() as store:
        await store.workspace("work").approvals.decide("send", "approve", by=ANNA)
        (info,) = (await store.workspaces(status="due")).items
        assert [due.kind for due in info.due] == ["decided"]
        await program(store)
    assert sent == ["draft", "send"]


async def test_a_sleep_counts_from_its_first_beginning(place: Place) -> None:
    started = place.now
    for seconds in (0, 20, 3570):
        place.now += timedelta(seconds=seconds)
        async with place.process() as store:
            work = store.workspace("work")
            async with work.durable(max_wait=timedelta(seconds=9)) as run:
                with pytest.raises(Suspended, match="'rest' is due then") as raised:
                    await run.sleep_for("rest", timedelta(hours=1))
                assert raised.value.until == started + timedelta(hours=1)
    hours = Hours(place)
    async with place.process() as store:
        work = store.workspace("work")
        async with work.durable(timing=hours.timing()) as run:
            for _ in range(2):
                await run.sleep_for("rest", timedelta(hours=1))
    assert hours.slept == [10]
    assert place.now == started + timedelta(hours=1)


async def test_a_long_sleep_looks_at_the_clock_every_minute(work: Workspace, hours: Hours) -> None:
    async with work.durable(timing=hours.timing()) as run:
        await run.sleep_for("rest", timedelta(seconds=150))
    assert hours.slept == [60, 60, 30]


async def test_a_time_to_go_on_can_be_moved_until_it_has_come(
    place: Place, work: Workspace, hours: Hours
) -> None:
    start = place.now
    async with work.durable(timing=hours.timing(), max_wait=timedelta(hours=2)) as run:
        with pytest.raises(Suspended):
            await run.sleep_until("monday", start + timedelta(days=3))
        await run.sleep_until("monday", start + timedelta(hours=1))
        assert place.now == start + timedelta(hours=1)
        await run.sleep_until("monday", start + timedelta(days=3))
        with pytest.raises(InvalidInput, match="with its zone"):
            await run.sleep_until("sunday", start.replace(tzinfo=None))


async def test_a_timer_keeps_what_was_planned_of_its_step(work: Workspace, hours: Hours) -> None:
    await work.plan_steps(["a", PlannedStep("rest", title="A pause", after=("a",))])
    await work.mark_step_done("a")
    async with work.durable(timing=hours.timing()) as run:
        await run.sleep_for("rest", timedelta(minutes=1))
    (_, rest) = (await work.steps()).items
    assert (rest.title, rest.after, rest.status) == ("A pause", ("a",), "done")
    assert sum(hours.slept) == 60


async def test_a_workspace_is_due_when_its_timer_is(place: Place) -> None:
    async with place.process() as store:
        async with store.workspace("work").durable(max_wait=NOW) as run:
            with pytest.raises(Suspended):
                await run.sleep_for("rest", timedelta(hours=1))
        place.now += timedelta(hours=1)
        (info,) = (await store.workspaces(status="due")).items
        assert [(due.kind, due.name) for due in info.due] == [("step", "rest")]
