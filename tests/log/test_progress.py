"""What follows from the steps of a document: status, progress, what is next, the brief."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.log.desk import Desk

from safepoint.brief import brief_of
from safepoint.format.document import EMPTY
from safepoint.log.progress import (
    idempotency_key,
    next_step,
    progress,
    ready_steps,
    workspace_status,
)
from safepoint.log.transitions import Mark, PlanSteps, Save, Start, StateChange
from safepoint.model import Actor, Blocker, Brief, PlannedStep

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
MINUTE = timedelta(minutes=1)


def a_working_desk() -> Desk:
    """Two minutes into a plan in which every kind of step occurs once."""
    desk = Desk()
    names = ("done", "skipped", "lost", "running", "pending", "later", "broken")
    desk(PlanSteps(tuple(PlannedStep(name) for name in names), goal="publish"))
    desk(PlanSteps((PlannedStep("waiting", after=("pending", "done")),)))
    desk(Mark("done"))
    desk(Mark("skipped", "skipped"))
    desk(Start("lost", MINUTE))
    desk.turn_clock(minutes=2)
    desk(Start("running", MINUTE))
    desk(Mark("later", "failed", retry_after=MINUTE))
    desk(Mark("broken", "failed", retryable=False, error="gone"))
    return desk


def brief(desk: Desk) -> Brief:
    return brief_of("work", desk.document, now_ms=desk.now_ms, head_version=99)


def test_progress_counts_every_step_once() -> None:
    desk = a_working_desk()
    counted = progress(desk.document, desk.now_ms)
    assert counted.total == 8
    assert (counted.done, counted.skipped, counted.failed) == (1, 1, 2)
    assert (counted.running, counted.interrupted, counted.pending) == (1, 1, 2)


def test_ready_are_the_steps_that_start_step_would_let_somebody_run() -> None:
    desk = a_working_desk()
    for minutes in (0, 1, 60):
        desk.turn_clock(minutes=minutes)
        ready = list(ready_steps(desk.document, desk.now_ms))
        for name in desk.document.steps:
            trial = Desk(document=desk.document, now_ms=desk.now_ms)
            assert (trial(Start(name, MINUTE)).decision == "run") == (name in ready), name
    assert ready == ["lost", "running", "pending", "later"]


def test_the_next_step_is_the_first_in_plan_order() -> None:
    desk = a_working_desk()
    assert next_step(desk.document, desk.now_ms) == "lost"
    assert next_step(EMPTY, 0) is None


def test_a_workspace_is_active_done_or_failed() -> None:
    desk = Desk()
    assert workspace_status(desk.document) == "active"
    desk(PlanSteps((PlannedStep("a"), PlannedStep("b"))))
    desk(Mark("a"))
    assert workspace_status(desk.document) == "active"
    desk(Mark("b", "failed"))
    assert workspace_status(desk.document) == "active"
    desk(Mark("b", "failed", retryable=False))
    assert workspace_status(desk.document) == "failed"
    desk(Mark("b", "skipped"))
    assert workspace_status(desk.document) == "done"


def test_the_brief_says_where_everything_stands() -> None:
    found = brief(a_working_desk())
    assert (found.goal, found.status, found.next_step) == ("publish", "failed", "lost")
    assert found.done == ("done", "skipped")
    assert found.pending == ("pending", "waiting")
    assert found.failed == ("later", "broken")
    assert (found.version, found.head_version) == (8, 99)


def test_the_brief_names_what_is_in_flight_and_what_to_do_about_it() -> None:
    lost, running = brief(a_working_desk()).in_flight
    assert (lost.step, lost.attempt, lost.interrupted) == ("lost", 1, True)
    assert "effect may have happened" in lost.advice
    assert lost.idempotency_key == "work:1:lost"
    assert (running.step, running.interrupted, running.holder) == ("running", False, Actor("ann"))
    assert "Do not run it" in running.advice


def test_the_brief_says_what_blocks_and_why() -> None:
    waiting, later, broken = sorted(
        brief(a_working_desk()).blocked, key=lambda b: ("wlb".index(b.step[0]), b.step)
    )
    assert waiting == Blocker("waiting", ("pending",), "other steps must be finished first")
    assert "to be tried again at 2026-01-01T00:03:00+00:00" in later.reason
    assert broken.reason == "failed for good: gone"


def test_the_brief_names_the_newest_checkpoint_and_who_saved_it() -> None:
    desk = Desk(actor=Actor("bob"))
    assert brief(desk).saved_at is None
    desk(Save(StateChange(b"1"), label="draft", summary="so far", next_action="go on"))
    saved_at = desk.now
    desk.turn_clock(days=1)
    desk.actor = Actor("ann")
    desk(PlanSteps((PlannedStep("a"),)))
    found = brief(desk)
    assert (found.saved_at, found.saved_by) == (saved_at, Actor("bob"))
    assert (found.checkpoint_version, found.label) == (1, "draft")
    assert (found.summary, found.next_action) == ("so far", "go on")


def test_an_idempotency_key_can_be_read() -> None:
    assert idempotency_key("release notes", 1, "send-mail") == "release notes:1:send-mail"


@given(TEXT, st.integers(1, 10**6), TEXT)
def test_an_idempotency_key_is_what_outside_systems_accept(
    workspace: str, run: int, step: str
) -> None:
    key = idempotency_key(workspace, run, step)
    assert re.fullmatch(r"[ -~]{5,255}", key)
    assert key == idempotency_key(workspace, run, step)


@given(st.lists(st.tuples(TEXT, st.integers(1, 3), TEXT), unique=True, min_size=2, max_size=2))
def test_idempotency_keys_of_different_steps_differ(steps: list[tuple[str, int, str]]) -> None:
    one, other = steps
    assert idempotency_key(*one) != idempotency_key(*other)


@pytest.mark.parametrize(
    "changed", [("w" * 1000, 1, "b"), ("w" * 1000, 2, "a"), ("w" * 999, 1, "a")]
)
def test_long_names_are_told_apart_by_a_hash(changed: tuple[str, int, str]) -> None:
    key = idempotency_key("w" * 1000, 1, "a")
    assert len(key) == 255
    assert idempotency_key(*changed) != key


def test_a_colon_in_a_name_does_not_confuse_two_steps() -> None:
    assert idempotency_key("a:1", 1, "b") != idempotency_key("a", 1, "1:b")
