"""plan_steps: declare steps in order, again and again, without losing what they became."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.log.desk import Desk

from safepoint.errors import InvalidInput, LimitExceeded
from safepoint.log.transitions import Mark, PlanSteps, Start
from safepoint.model import Limits, PlannedStep

PLAN = PlanSteps(
    (PlannedStep("fetch"), PlannedStep("parse", after=("fetch",)), PlannedStep("send", "Send it")),
    goal="publish",
)


def test_steps_are_declared_in_order_with_the_goal() -> None:
    desk = Desk()
    assert desk(PLAN) == (("fetch", "parse", "send"), ())
    assert list(desk.document.steps) == ["fetch", "parse", "send"]
    assert desk.document.steps["parse"].after == ("fetch",)
    assert desk.document.steps["send"].title == "Send it"
    assert desk.document.goal == "publish"
    assert desk.event == {"kind": "plan", "added": 3, "steps": 3}


def test_planning_the_same_again_changes_nothing() -> None:
    desk = Desk()
    desk(PLAN)
    assert desk(PLAN) == ((), ("fetch", "parse", "send"))
    assert not desk.changed


def test_known_steps_keep_place_and_history_and_new_ones_join_at_the_end() -> None:
    desk = Desk()
    desk(PLAN)
    desk(Mark("fetch", result=b"1"))
    done = desk.document.steps["fetch"]
    reply = desk(PlanSteps((PlannedStep("review"), PlannedStep("fetch", "Fetch", ("send",)))))
    assert reply == (("review",), ("fetch",))
    assert list(desk.document.steps) == ["fetch", "parse", "send", "review"]
    assert desk.document.steps["fetch"] == replace(done, title="Fetch", after=("send",))


def test_a_title_stays_when_none_is_given_and_the_goal_too() -> None:
    desk = Desk()
    desk(PLAN)
    desk(PlanSteps((PlannedStep("send", after=("parse",)),)))
    assert desk.document.steps["send"].title == "Send it"
    assert desk.document.goal == "publish"


def test_a_goal_alone_is_a_plan_and_an_empty_one_clears_it() -> None:
    desk = Desk()
    desk(PlanSteps((), goal="publish"))
    assert desk.document.goal == "publish"
    desk(PlanSteps((), goal=""))
    assert desk.document.goal is None


def test_planning_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="nothing to plan"):
        Desk()(PlanSteps(()))


def test_a_running_step_stays_with_its_holder_when_it_is_planned_again() -> None:
    desk = Desk()
    desk(PLAN)
    token = desk(Start("fetch", timedelta(minutes=1))).fencing_token
    desk(PlanSteps((PlannedStep("fetch", "Fetch"),)))
    assert desk(Mark("fetch", fencing_token=token)).status == "done"


def test_a_dependency_on_nothing_is_refused_and_the_closest_steps_are_named() -> None:
    desk = Desk()
    desk(PLAN)
    with pytest.raises(InvalidInput, match="after 'prase', which is not a step") as caught:
        desk(PlanSteps((PlannedStep("review", after=("prase",)),)))
    assert caught.value.code == "unknown_step"
    assert "Did you mean 'parse'" in caught.value.hint


def test_a_step_may_come_after_one_that_is_planned_later_in_the_same_call() -> None:
    desk = Desk()
    desk(PlanSteps((PlannedStep("b", after=("a",)), PlannedStep("a"))))
    assert list(desk.document.steps) == ["b", "a"]


@pytest.mark.parametrize(
    "steps",
    [
        (PlannedStep("a", after=("a",)),),
        (PlannedStep("a", after=("b",)), PlannedStep("b", after=("a",))),
        (PlannedStep("a"), PlannedStep("fetch", after=("parse",))),
        (
            PlannedStep("a", after=("c", "fetch")),
            PlannedStep("b", after=("a",)),
            PlannedStep("c", after=("fetch", "b")),
        ),
    ],
    ids=["itself", "two", "through known steps", "three"],
)
def test_steps_that_wait_for_each_other_are_refused(steps: tuple[PlannedStep, ...]) -> None:
    desk = Desk()
    desk(PLAN)
    with pytest.raises(InvalidInput, match="wait for each other") as caught:
        desk(PlanSteps(steps))
    assert caught.value.code == "circular_plan"
    assert list(desk.document.steps) == ["fetch", "parse", "send"]


def test_two_ways_to_one_step_are_no_circle() -> None:
    desk = Desk()
    desk(
        PlanSteps(
            (
                PlannedStep("a"),
                PlannedStep("b", after=("a",)),
                PlannedStep("c", after=("a",)),
                PlannedStep("d", after=("b", "c", "a")),
            )
        )
    )
    assert len(desk.document.steps) == 4


def test_a_chain_of_ten_thousand_steps_is_planned() -> None:
    names = [f"step {number}" for number in range(10_000)]
    chain = tuple(
        PlannedStep(name, after=(before,) if before else ())
        for before, name in zip(["", *names], names, strict=False)
    )
    desk = Desk()
    desk(PlanSteps(chain))
    assert len(desk.document.steps) == 10_000


def test_more_steps_than_a_run_may_have_are_refused() -> None:
    with pytest.raises(LimitExceeded, match="would have 3 steps; the limit is 2"):
        Desk(limits=Limits(steps=2))(PLAN)


def test_a_step_planned_twice_in_one_call_is_refused() -> None:
    with pytest.raises(InvalidInput, match="planned twice"):
        Desk()(PlanSteps((PlannedStep("a"), PlannedStep("b"), PlannedStep("a"))))


@pytest.mark.parametrize("name", ["", " ", "a\tb", "\x1b[2J", "x" * 201, "\ud800"])
def test_a_name_that_cannot_be_a_step_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        Desk()(PlanSteps((PlannedStep(name),)))


def test_texts_over_their_limits_are_refused() -> None:
    for plan in (
        PlanSteps((), goal="x" * 4097),
        PlanSteps((PlannedStep("a", title="x" * 4097),)),
    ):
        with pytest.raises(LimitExceeded, match="4,096"):
            Desk()(plan)
