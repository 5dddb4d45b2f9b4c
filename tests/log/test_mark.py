"""mark_step_done: once, by whoever may, with result and state in one commit."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.log.desk import Desk

from safepoint.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from safepoint.format.document import result_region
from safepoint.log.progress import workspace_status
from safepoint.log.transitions import Mark, PlanSteps, Save, Start, StateChange
from safepoint.model import Actor, Limits, PlannedStep

MINUTE = timedelta(minutes=1)


def started(**desk: Any) -> tuple[Desk, int]:
    """A desk with the step `fetch` under way, and its token."""
    made = Desk(**desk)
    made(PlanSteps((PlannedStep("fetch"), PlannedStep("send", after=("fetch",)))))
    token = made(Start("fetch", MINUTE)).fencing_token
    assert token is not None
    return made, token


def test_done_records_result_time_and_holder_and_names_what_comes_next() -> None:
    desk, token = started()
    desk.turn_clock(seconds=5)
    marked = desk(Mark("fetch", result=b"[1]", fencing_token=token, summary="fetched"))
    assert (marked.status, marked.version, marked.attempt) == ("done", 3, 1)
    assert (marked.finished_at, marked.next_step) == (desk.now, "send")
    assert (marked.progress.done, marked.progress.total) == (1, 2)
    assert not marked.repeated
    assert not marked.state_saved
    assert desk.document.regions[result_region("fetch")] == b"[1]"
    assert desk.document.summary == "fetched"
    assert desk.event == {"kind": "done", "step": "fetch", "attempt": 1}


def test_the_state_is_saved_in_the_same_commit_as_a_checkpoint_of_the_step() -> None:
    desk, token = started()
    marked = desk(Mark("fetch", fencing_token=token, change=StateChange(b'{"n":1}'), summary="s"))
    entry = desk.document.latest
    assert entry is not None
    assert (entry.version, entry.step, entry.summary) == (marked.version, "fetch", "s")
    assert desk.document.state == b'{"n":1}'
    assert marked.state_saved
    assert desk.event == {"kind": "done", "step": "fetch", "attempt": 1, "state_bytes": 7}


def test_a_patch_changes_the_state_in_the_same_commit() -> None:
    desk, token = started()
    desk(Save(StateChange(b'{"a":1,"b":2}')))
    desk(Mark("fetch", fencing_token=token, change=StateChange(patch=b'{"a":null,"c":3}')))
    assert desk.document.state == b'{"b":2,"c":3}'


def test_without_state_no_checkpoint_is_made() -> None:
    desk, token = started()
    desk(Mark("fetch", fencing_token=token))
    assert desk.document.checkpoints == ()


@pytest.mark.parametrize(
    "mark",
    [
        Mark("fetch", result=b"[1]", summary="s"),
        Mark("fetch", "skipped"),
        Mark("fetch", "failed", error="e", retry_after=MINUTE),
        Mark("fetch", change=StateChange(patch=b'{"a":1}')),
    ],
    ids=lambda mark: mark.status,
)
def test_repeating_it_answers_what_was_recorded_and_changes_nothing(mark: Mark) -> None:
    desk = Desk()
    desk(PlanSteps((PlannedStep("fetch"),)))
    first = desk(mark)
    desk.turn_clock(days=1)
    again = desk(mark)
    assert again.repeated
    assert not desk.changed
    assert (again.version, again.finished_at, again.retry_at) == (
        first.version,
        first.finished_at,
        first.retry_at,
    )


def test_a_repeat_that_lost_its_token_or_has_a_stale_one_is_still_a_repeat() -> None:
    desk, token = started()
    desk(Mark("fetch", result=b"1", fencing_token=token))
    assert desk(Mark("fetch", result=b"1")).repeated
    assert desk(Mark("fetch", result=b"1", fencing_token=99)).repeated


@pytest.mark.parametrize(
    "other",
    [
        Mark("fetch", result=b"2"),
        Mark("fetch"),
        Mark("fetch", "skipped", result=b"1"),
        Mark("fetch", "failed", result=b"1"),
        Mark("fetch", result=b"1", summary="s"),
        Mark("fetch", result=b"1", change=StateChange(b"{}")),
        Mark("fetch", result=b"1", change=StateChange(patch=b"{}")),
    ],
    ids=repr,
)
def test_a_finished_step_keeps_its_result_against_other_contents(other: Mark) -> None:
    desk, token = started()
    desk(Mark("fetch", result=b"1", fencing_token=token))
    before = desk.document
    with pytest.raises(Conflict, match="recorded as done in version 3") as caught:
        desk(other)
    assert caught.value.code == "already_recorded"
    assert desk.document is before


def test_while_the_lease_runs_the_token_is_required() -> None:
    desk, _ = started()
    with pytest.raises(Conflict) as caught:
        desk(Mark("fetch"))
    assert caught.value.code == "token_required"


def test_once_the_lease_is_over_a_person_or_agent_without_token_may_report() -> None:
    desk, _ = started()
    desk.turn_clock(minutes=1)
    assert desk(Mark("fetch")).status == "done"


def test_a_late_report_counts_while_nobody_took_over() -> None:
    desk, token = started()
    desk.turn_clock(hours=5)
    assert desk(Mark("fetch", fencing_token=token)).attempt == 1


def test_a_report_of_an_attempt_that_was_replaced_is_refused() -> None:
    desk, token = started()
    desk.turn_clock(minutes=1)
    desk(Start("fetch", MINUTE))
    with pytest.raises(Conflict, match="any more") as caught:
        desk(Mark("fetch", fencing_token=token))
    assert caught.value.code == "stale_token"


def test_a_token_for_a_step_that_never_started_is_refused_as_that() -> None:
    desk, token = started()
    with pytest.raises(Conflict, match="'send', which was never started") as caught:
        desk(Mark("send", fencing_token=token))
    assert caught.value.code == "stale_token"
    assert caught.value.hint.startswith("Call start_step first")


def test_a_planned_step_may_be_marked_without_being_started() -> None:
    desk, _ = started()
    assert desk(Mark("send", "skipped")).attempt == 0


def test_a_failure_is_retryable_unless_said_otherwise() -> None:
    desk, token = started()
    marked = desk(Mark("fetch", "failed", error="down", fencing_token=token))
    assert marked.retry_at is None
    assert desk.document.steps["fetch"].retryable is True
    assert marked.next_step == "fetch"
    assert workspace_status(desk.document) == "active"


def test_a_failure_may_say_when_to_try_again() -> None:
    desk, token = started()
    marked = desk(Mark("fetch", "failed", retry_after=MINUTE, fencing_token=token))
    assert marked.retry_at == desk.now + MINUTE
    assert marked.next_step is None


def test_a_failure_for_good_fails_the_workspace() -> None:
    desk, token = started()
    desk(Mark("fetch", "failed", retryable=False, error="gone", fencing_token=token))
    assert workspace_status(desk.document) == "failed"
    assert desk.document.steps["fetch"].error == "gone"


def test_the_same_failure_of_a_later_attempt_is_recorded_anew() -> None:
    desk, token = started()
    desk(Mark("fetch", "failed", error="down", fencing_token=token))
    again = desk(Start("fetch", MINUTE)).fencing_token
    marked = desk(Mark("fetch", "failed", error="down", fencing_token=again))
    assert (marked.repeated, marked.attempt) == (False, 2)


def test_done_after_a_failure_leaves_no_trace_of_the_error() -> None:
    desk, token = started()
    desk(Mark("fetch", "failed", error="down", retry_after=MINUTE, fencing_token=token))
    desk(Mark("fetch"))
    entry = desk.document.steps["fetch"]
    assert (entry.error, entry.retryable, entry.retry_ms) == (None, None, None)


def test_a_new_result_replaces_that_of_a_failed_attempt() -> None:
    desk, token = started()
    desk(Mark("fetch", "failed", result=b'"half"', fencing_token=token))
    desk(Mark("fetch"))
    assert result_region("fetch") not in desk.document.regions


def test_a_step_that_does_not_exist_is_not_found_and_the_closest_are_named() -> None:
    desk, _ = started()
    with pytest.raises(NotFound, match="no step 'fecth'") as caught:
        desk(Mark("fecth"))
    assert caught.value.code == "step_not_found"
    assert "'fetch'" in caught.value.hint


@pytest.mark.parametrize(
    "mark",
    [
        Mark("fetch", "finished"),
        Mark("fetch", "running"),
        Mark("fetch", error="but done"),
        Mark("fetch", retryable=True),
        Mark("fetch", "skipped", retry_after=MINUTE),
        Mark("fetch", "failed", error="\ud800"),
        Mark("fetch", "failed", retry_after=timedelta(seconds=-1)),
        Mark("fetch", "failed", retry_after=timedelta.max),
    ],
    ids=repr,
)
def test_contradictory_reports_are_refused(mark: Mark) -> None:
    desk, _ = started()
    desk.turn_clock(minutes=1)
    with pytest.raises(InvalidInput):
        desk(mark)


@pytest.mark.parametrize(
    "mark",
    [
        Mark("fetch", result=b'"' + b"x" * 100 + b'"'),
        Mark("fetch", summary="é" * 51),
        Mark("fetch", "failed", error="x" * 101),
        Mark("fetch", change=StateChange(b'"' + b"x" * 100 + b'"')),
    ],
    ids=["result", "summary", "error", "state"],
)
def test_more_than_a_limit_allows_is_refused_with_the_limit(mark: Mark) -> None:
    desk, _ = started(limits=Limits(result_bytes=100, summary_bytes=100, state_bytes=100))
    desk.turn_clock(minutes=1)
    with pytest.raises(LimitExceeded, match="100"):
        desk(mark)


def test_it_is_attributed_to_who_reported() -> None:
    desk, token = started()
    desk.actor = Actor("bob")
    desk(Mark("fetch", fencing_token=token))
    assert desk.document.steps["fetch"].holder == Actor("bob")
