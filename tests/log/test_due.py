"""When a workspace is to be taken up again: every reason, from its moment on until it is over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.log.desk import Desk

from safepoint.format.versions import NO_VERSIONS
from safepoint.log.due import due_at, reasons
from safepoint.log.transitions import (
    Ask,
    Command,
    Decide,
    Mark,
    PlanSteps,
    RecordFork,
    Save,
    Start,
    StateChange,
)
from safepoint.log.transitions.retention import Pin, Prune, SetRetention
from safepoint.log.transitions.rotate import Rotate
from safepoint.model import PlannedStep, RetentionPolicy, Verdict

HOUR = timedelta(hours=1)


def due(desk: Desk) -> list[str]:
    found = due_at(reasons(desk.document, 16), desk.now_ms)
    return [f"{one.kind} {one.name}" for one in found]


def plan(desk: Desk, *steps: PlannedStep) -> None:
    desk(PlanSteps(steps))


def save(desk: Desk) -> None:
    desk(Save(StateChange(whole=b"{}")))


def test_a_workspace_that_waits_for_nothing_is_never_due() -> None:
    desk = Desk()
    assert due(desk) == []
    plan(desk, PlannedStep("a"), PlannedStep("b", after=("a",)))
    save(desk)
    desk.turn_clock(days=400)
    assert due(desk) == []


def test_a_step_is_due_at_its_time_until_it_is_started() -> None:
    desk = Desk()
    plan(desk, PlannedStep("report", wake_at=desk.now + HOUR))
    save(desk)
    desk.turn_clock(minutes=59, seconds=59)
    assert due(desk) == []
    desk.turn_clock(seconds=1)
    assert due(desk) == ["step report"]
    save(desk)
    assert due(desk) == ["step report"]
    desk(Start("report", HOUR))
    assert due(desk) == []


def test_a_step_whose_time_has_come_still_waits_for_what_comes_before() -> None:
    desk = Desk()
    plan(desk, PlannedStep("a"), PlannedStep("b", after=("a",), wake_at=desk.now + HOUR))
    desk.turn_clock(hours=2)
    assert due(desk) == []
    desk(Mark("a"))
    assert due(desk) == ["step b"]


def test_a_failed_step_is_due_when_it_may_be_tried_again() -> None:
    desk = Desk()
    plan(desk, PlannedStep("a"), PlannedStep("b"), PlannedStep("c"))
    desk(Mark("a", "failed", error="x", retry_after=HOUR))
    desk(Mark("b", "failed", error="x"))
    desk(Mark("c", "failed", error="x", retryable=False))
    assert due(desk) == ["retry b"]
    desk.turn_clock(hours=1)
    assert due(desk) == ["retry b", "retry a"]


def test_a_step_is_due_once_its_lease_ran_out() -> None:
    desk = Desk()
    desk(Start("a", HOUR))
    assert due(desk) == []
    desk.turn_clock(hours=1)
    assert due(desk) == ["interrupted a"]


@pytest.mark.parametrize("verdict", ["approve", "deny"])
def test_a_decision_is_news_until_something_else_is_committed(verdict: str) -> None:
    desk = Desk()
    for name in ("one", "two"):
        desk(Ask(name, "May I?"))
    assert due(desk) == []
    for name in ("one", "two"):
        desk.turn_clock(seconds=1)
        desk(Decide(name, Verdict(verdict)))
    assert due(desk) == ["decided one", "decided two"]
    save(desk)
    assert due(desk) == []


UPKEEP: list[Command[Any]] = [
    Rotate(key=2, store_key=0),
    SetRetention(RetentionPolicy(keep_last=3)),
    Pin(1),
    RecordFork("w-b", version=1, at_ms=0),
    Prune(floor=2, lasting=NO_VERSIONS, policy="keep last 1"),
    Decide("other", Verdict.APPROVE),
]


@pytest.mark.parametrize("command", UPKEEP, ids=lambda command: type(command).__name__)
def test_what_is_due_stays_so_whatever_upkeep_or_decision_is_committed(
    command: Command[Any],
) -> None:
    desk = Desk()
    save(desk)
    save(desk)
    for name, expires in (("late", HOUR), ("other", None), ("news", None)):
        desk(Ask(name, "May I?", expires=expires))
    desk(Decide("news", Verdict.APPROVE))
    desk.turn_clock(hours=1)
    assert due(desk) == ["decided news", "expired late"]
    before = desk.document.version
    desk(command)
    assert desk.document.version == before + 1
    assert {"decided news", "expired late"} <= set(due(desk))
    save(desk)
    assert due(desk) == []


def test_a_step_is_due_from_the_last_yes_that_it_needs() -> None:
    desk = Desk()
    plan(desk, PlannedStep("ship", needs_approval=("one", "two")))
    for name in ("one", "two"):
        desk(Ask(name, "May I?"))
    desk(Decide("one", Verdict.APPROVE))
    save(desk)
    assert due(desk) == []
    desk.turn_clock(hours=1)
    desk(Decide("two", Verdict.APPROVE))
    assert due(desk) == ["decided two", "step ship"]
    save(desk)
    assert due(desk) == ["step ship"]
    desk(Start("ship", HOUR))
    assert due(desk) == []


@pytest.mark.parametrize(
    ("asked", "kind"),
    [({"expires": HOUR}, "expired"), ({"wake": HOUR}, "reminder")],
    ids=["expired", "reminder"],
)
def test_a_question_that_stays_open_is_news_until_something_is_committed(
    asked: dict[str, Any], kind: str
) -> None:
    desk = Desk()
    wake = asked.pop("wake", None)
    desk(Ask("one", "May I?", wake_ms=desk.now_ms + 3_600_000 if wake else None, **asked))
    save(desk)
    desk.turn_clock(minutes=59)
    assert due(desk) == []
    desk.turn_clock(minutes=1)
    assert due(desk) == [f"{kind} one"]
    desk.turn_clock(seconds=1)
    save(desk)
    assert due(desk) == []


def test_only_so_many_reasons_are_kept_the_earliest() -> None:
    desk = Desk()
    plan(desk, *(PlannedStep(f"s{n}", wake_at=desk.now + n * HOUR) for n in range(20, 0, -1)))
    assert [reason.name for reason in reasons(desk.document, 16)] == [f"s{n}" for n in range(1, 17)]
