"""Steps that wait for a person or for a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.log.desk import Desk

from safepoint import Actor, Conflict, Decision, InvalidInput, LimitExceeded
from safepoint.brief import brief_of
from safepoint.log.progress import next_step, ready_steps
from safepoint.log.transitions import (
    Ask,
    Consume,
    Decide,
    Mark,
    PlanSteps,
    Rewind,
    Start,
    StartNewRun,
    Withdraw,
)
from safepoint.model import PlannedStep, Started, Verdict

HOUR = timedelta(hours=1)
ANN = Actor("ann")


def planned(*steps: PlannedStep) -> Desk:
    desk = Desk()
    desk(PlanSteps(steps or (PlannedStep("ship", needs_approval=("deploy",)),)))
    return desk


def start(desk: Desk, step: str = "ship") -> Started:
    return desk(Start(step, HOUR))


def ask(desk: Desk, name: str = "deploy", **more: Any) -> None:
    desk(Ask(name, "May I?", **more))


def decide(desk: Desk, verdict: str, name: str = "deploy", **more: Any) -> None:
    desk.actor, before = ANN, desk.actor
    desk(Decide(name, Verdict(verdict), **more))
    desk.actor = before


def test_a_step_that_waits_for_others_says_what_can_be_asked_meanwhile() -> None:
    ship = PlannedStep("ship", after=("build",), needs_approval=("deploy", "notes"))
    desk = planned(PlannedStep("build"), ship)
    ask(desk, "notes")
    blocked = start(desk)
    assert (blocked.decision, blocked.needs) == (Decision.BLOCKED, ("build",))
    assert [need.status for need in blocked.approvals] == ["missing", "pending"]
    assert blocked.advice == (
        "Finish the steps in `needs` first. Meanwhile ask, by request_approval, for what it "
        "needs: deploy."
    )
    ask(desk)
    assert start(desk).advice == "Finish the steps in `needs` first."


def test_a_step_is_blocked_until_it_is_approved_and_says_how_that_stands() -> None:
    desk = planned()
    ways = [
        (lambda: None, "missing", "call request_approval"),
        (lambda: ask(desk, expires=HOUR), "pending", "come back"),
        (lambda: desk.turn_clock(hours=1), "expired", "again"),
        (lambda: ask(desk), "pending", "come back"),
        (lambda: desk(Withdraw("deploy")), "withdrawn", "withdrawn"),
        (lambda: ask(desk), "pending", "come back"),
        (lambda: decide(desk, "deny", comment="not today"), "denied", "ann denied it"),
    ]
    for change, status, said in ways:
        change()
        before = desk.document
        answer = start(desk)
        assert (answer.decision, answer.needs) == (Decision.BLOCKED, ())
        (need,) = answer.approvals
        assert (need.name, need.status) == ("deploy", status)
        assert said in need.advice
        assert need.advice in answer.advice
        assert desk.document is before
        assert next_step(desk.document, desk.now_ms) is None
    assert "not today" in need.advice


@pytest.mark.parametrize("verdict", ["approve", "answer"])
def test_a_yes_or_an_answer_lets_it_start(verdict: str) -> None:
    desk = planned()
    answer = {"options": ("a", "b")} if verdict == "answer" else {}
    ask(desk, **answer)
    decide(desk, verdict, **({"answer": b'"a"'} if answer else {}))
    assert list(ready_steps(desk.document, desk.now_ms)) == ["ship"]
    assert start(desk).decision is Decision.RUN


def test_all_approvals_are_needed_and_steps_come_first() -> None:
    desk = planned(PlannedStep("a"), PlannedStep("b", after=("a",), needs_approval=("x", "y")))
    assert start(desk, "b").needs == ("a",)
    desk(Mark("a"))
    ask(desk, "x")
    decide(desk, "approve", "x")
    assert [need.name for need in start(desk, "b").approvals] == ["y"]


def test_a_single_use_is_used_up_by_the_first_step_that_starts() -> None:
    both = [PlannedStep(name, needs_approval=("deploy",)) for name in ("ship", "other")]
    desk = planned(*both)
    ask(desk, single_use=True)
    decide(desk, "approve")
    assert start(desk).decision is Decision.RUN
    entry = desk.document.approvals["deploy"]
    assert (entry.used_by, entry.used_version) == ("ship", desk.document.version)
    blocked = start(desk, "other")
    assert [need.status for need in blocked.approvals] == ["used"]
    assert "'ship' used it" in blocked.advice
    ask(desk, details="for other", single_use=True)
    decide(desk, "approve")
    assert start(desk, "other").decision is Decision.RUN


def test_the_same_step_may_try_again_with_what_it_used() -> None:
    desk = planned()
    ask(desk, single_use=True)
    decide(desk, "approve")
    start(desk)
    desk.turn_clock(hours=1)
    again = start(desk)
    assert (again.decision, again.attempt) == (Decision.RUN, 2)
    desk(Mark("ship", "failed", error="x", fencing_token=again.fencing_token))
    assert start(desk).attempt == 3


def test_an_approval_for_any_number_of_uses_serves_every_step() -> None:
    desk = planned(*(PlannedStep(name, needs_approval=("deploy",)) for name in ("a", "b")))
    ask(desk)
    decide(desk, "approve")
    assert {start(desk, name).decision for name in ("a", "b")} == {Decision.RUN}


def test_what_was_used_elsewhere_lets_no_step_start() -> None:
    desk = planned()
    ask(desk, single_use=True)
    decide(desk, "approve")
    desk(Consume("deploy", "a script"))
    assert start(desk).decision is Decision.BLOCKED


def test_a_changed_question_takes_the_yes_back_from_a_step_that_has_not_started() -> None:
    desk = planned()
    ask(desk)
    decide(desk, "approve")
    ask(desk, subject=b'"other"')
    assert [need.status for need in start(desk).approvals] == ["pending"]


def test_planning_again_takes_no_need_away() -> None:
    desk = planned()
    desk(PlanSteps((PlannedStep("ship", title="Ship"),)))
    assert desk.document.steps["ship"].needs == ("deploy",)
    desk(PlanSteps((PlannedStep("ship", needs_approval=("second", "deploy")),)))
    assert desk.document.steps["ship"].needs == ("deploy", "second")
    desk(PlanSteps((PlannedStep("ship", needs_approval=("second",)),)))
    assert not desk.changed


def test_going_back_keeps_approvals_as_they_are_and_takes_no_need_away() -> None:
    desk = planned(PlannedStep("ship"))
    old = desk.document
    desk(PlanSteps((PlannedStep("ship", needs_approval=("deploy",)),)))
    ask(desk, single_use=True, subject=b'"abc"')
    decide(desk, "approve")
    desk(Consume("deploy", "a script"))
    present = desk.document
    desk(Rewind(old))
    assert desk.document.approvals == present.approvals
    assert desk.document.regions["approval/deploy"] == b'"abc"'
    assert [need.status for need in start(desk).approvals] == ["used"]


def test_a_new_run_starts_without_approvals() -> None:
    desk = planned()
    ask(desk, subject=b'"abc"')
    decide(desk, "approve")
    desk(StartNewRun())
    assert desk.document.approvals == {}
    assert "approval/deploy" not in desk.document.regions


def test_a_step_that_was_never_allowed_to_start_is_not_done() -> None:
    desk = planned()
    with pytest.raises(Conflict) as caught:
        desk(Mark("ship"))
    assert caught.value.code == "approval_needed"
    desk(Mark("ship", "skipped"))
    assert desk.document.steps["ship"].status == "skipped"


def test_a_step_waits_for_its_time() -> None:
    desk = Desk()
    at = desk.now + HOUR
    desk(PlanSteps((PlannedStep("report", wake_at=at),)))
    waiting = start(desk, "report")
    assert (waiting.decision, waiting.wait_until) == (Decision.WAIT, at)
    assert (waiting.holder, next_step(desk.document, desk.now_ms)) == (None, None)
    desk.turn_clock(hours=1)
    assert start(desk, "report").decision is Decision.RUN


def test_a_time_can_be_moved_and_stays_when_the_plan_does_not_name_it() -> None:
    desk = Desk()
    desk(PlanSteps((PlannedStep("report", wake_at=desk.now + HOUR),)))
    desk(PlanSteps((PlannedStep("report", title="Report"),)))
    assert start(desk, "report").decision is Decision.WAIT
    desk(PlanSteps((PlannedStep("report", wake_at=desk.now),)))
    assert start(desk, "report").decision is Decision.RUN


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"needs_approval": ("",)}, "bad_name"),
        ({"needs_approval": ("a\nb",)}, "bad_name"),
        ({"wake_at": datetime(2026, 1, 1)}, "bad_time"),
        ({"wake_at": datetime.fromisoformat("1969-01-01T00:00:00Z")}, "bad_time"),
        ({"wake_at": datetime.fromisoformat("9999-01-01T00:00:00Z")}, "bad_time"),
    ],
)
def test_needs_and_times_that_cannot_be_are_refused(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        planned(PlannedStep("a", **wrong))
    assert caught.value.code == code


def test_a_step_needs_only_so_many_approvals() -> None:
    with pytest.raises(LimitExceeded, match="limit is 20"):
        planned(PlannedStep("a", needs_approval=tuple(map(str, range(21)))))


def test_the_brief_tells_what_is_asked_what_was_said_and_what_waits() -> None:
    steps = [PlannedStep("a", needs_approval=("old", "new")), PlannedStep("b", wake_at=None)]
    desk = planned(*steps)
    ask(desk, "old")
    decide(desk, "approve", "old")
    ask(desk, "new")
    desk(PlanSteps((PlannedStep("b", wake_at=desk.now + HOUR),)))
    brief = brief_of("work", desk.document, now_ms=desk.now_ms, head_version=1)
    assert [(one.name, one.status.value) for one in brief.approvals] == [
        ("new", "pending"),
        ("old", "approved"),
    ]
    assert {one.step: one.reason for one in brief.blocked} == {
        "a": "needs the approval of a person: new (pending)",
        "b": "planned for 2026-01-01T01:00:00+00:00",
    }
