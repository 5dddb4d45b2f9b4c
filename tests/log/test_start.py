"""start_step: run, skip, wait or blocked, by the table in the module."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.log.desk import Desk

from safepoint.errors import Conflict, InvalidInput, LimitExceeded
from safepoint.format.document import EMPTY
from safepoint.log.transitions import Mark, PlanSteps, Start
from safepoint.model import Actor, Limits, PlannedStep, Started

MINUTE = timedelta(minutes=1)


def planned(*steps: PlannedStep) -> Desk:
    desk = Desk()
    desk(PlanSteps(steps))
    return desk


def start(desk: Desk, step: str = "fetch", token: int | None = None, **more: str) -> Started:
    return desk(Start(step, MINUTE, fencing_token=token, **more))


def test_a_pending_step_is_run_with_token_lease_and_idempotency_key() -> None:
    desk = planned(PlannedStep("fetch"))
    started = start(desk)
    assert started.decision == "run"
    assert (started.attempt, started.version, started.fencing_token) == (1, 2, 2)
    assert started.idempotency_key == "work:1:fetch"
    assert started.lease_until == desk.now + MINUTE
    assert "mark_step_done" in started.advice
    assert desk.event == {"kind": "start", "step": "fetch", "attempt": 1}


def test_a_step_that_nobody_planned_joins_at_the_end_of_the_plan() -> None:
    desk = planned(PlannedStep("parse"))
    assert start(desk, "fetch").decision == "run"
    assert list(desk.document.steps) == ["parse", "fetch"]


def test_the_first_step_of_all_begins_the_workspace() -> None:
    desk = Desk()
    assert start(desk).version == 1
    assert desk.document.created_ms == desk.now_ms


def test_a_step_waits_for_what_comes_before_it() -> None:
    desk = planned(
        PlannedStep("a"), PlannedStep("b"), PlannedStep("c"), PlannedStep("send", after=("c", "a"))
    )
    desk(Mark("a"))
    blocked = start(desk, "send")
    assert (blocked.decision, blocked.needs) == ("blocked", ("c",))
    assert blocked.fencing_token is None
    assert not desk.changed


@pytest.mark.parametrize("status", ["done", "skipped"])
def test_a_step_that_is_done_or_skipped_unblocks_what_comes_after(status: str) -> None:
    desk = planned(PlannedStep("fetch"), PlannedStep("send", after=("fetch",)))
    desk(Mark("fetch", status))
    assert start(desk, "send").decision == "run"


def test_a_failed_step_unblocks_nothing() -> None:
    desk = planned(PlannedStep("fetch"), PlannedStep("send", after=("fetch",)))
    desk(Mark("fetch", "failed"))
    assert start(desk, "send").needs == ("fetch",)


def test_while_a_lease_runs_others_are_told_who_holds_it_and_until_when() -> None:
    desk = Desk(actor=Actor("bob"))
    lease_until = start(desk).lease_until
    desk.actor = Actor("ann")
    desk.turn_clock(seconds=59.999)
    waiting = start(desk)
    assert (waiting.decision, waiting.wait_until) == ("wait", lease_until)
    assert waiting.holder == Actor("bob")
    assert waiting.fencing_token is None
    assert not desk.changed


def test_a_second_attempt_after_the_lease_says_that_the_effect_may_have_happened() -> None:
    desk = Desk()
    first = start(desk)
    desk.turn_clock(minutes=1)
    second = start(desk)
    assert (second.decision, second.attempt) == ("run", 2)
    assert "Attempt 1 never reported: its effect may have happened" in second.advice
    assert second.idempotency_key == first.idempotency_key
    assert second.fencing_token == second.version > (first.fencing_token or 0)
    assert (first.in_doubt, second.in_doubt) == (False, True)


def test_an_attempt_that_never_reported_stays_in_doubt_after_a_later_one_failed() -> None:
    desk = Desk()
    start(desk)
    desk.turn_clock(minutes=1)
    second = start(desk)
    desk(Mark("fetch", "failed", error="refused", fencing_token=second.fencing_token))
    third = start(desk)
    assert "never reported: its effect may have happened" in third.advice
    assert "Attempt 2 failed: refused" in third.advice
    assert (third.in_doubt, third.error) == (True, "refused")


def test_the_holder_renews_with_its_token_and_keeps_token_and_attempt() -> None:
    desk = Desk()
    first = start(desk)
    desk.turn_clock(seconds=30)
    renewed = start(desk, token=first.fencing_token)
    assert (renewed.decision, renewed.attempt) == ("run", 1)
    assert renewed.fencing_token == first.fencing_token
    assert renewed.lease_until == desk.now + MINUTE
    assert desk.event == {"kind": "renew", "step": "fetch", "attempt": 1}


def test_a_holder_that_is_late_may_renew_while_nobody_took_over() -> None:
    desk = Desk()
    first = start(desk)
    desk.turn_clock(hours=1)
    assert start(desk, token=first.fencing_token).attempt == 1


def test_a_token_that_another_attempt_replaced_is_stale() -> None:
    desk = Desk()
    first = start(desk)
    desk.turn_clock(minutes=1)
    start(desk)
    with pytest.raises(Conflict, match="does not hold step 'fetch' any more") as caught:
        start(desk, token=first.fencing_token)
    assert caught.value.code == "stale_token"


def test_a_token_for_a_step_that_was_never_started_is_stale() -> None:
    with pytest.raises(Conflict) as caught:
        start(planned(PlannedStep("fetch")), token=1)
    assert caught.value.code == "stale_token"


@pytest.mark.parametrize("status", ["done", "skipped"])
def test_a_finished_step_is_skipped_with_its_recorded_result(status: str) -> None:
    desk = planned(PlannedStep("fetch"))
    desk(Mark("fetch", status, b'{"pages":3}'))
    skipped = start(desk)
    assert (skipped.decision, skipped.status) == ("skip", status)
    assert skipped.result == {"pages": 3}
    assert "Do not run it again" in skipped.advice
    assert not desk.changed


def test_a_finished_step_is_skipped_also_for_the_holder_of_its_token() -> None:
    desk = Desk()
    token = start(desk).fencing_token
    desk(Mark("fetch", fencing_token=token))
    assert start(desk, token=token).decision == "skip"


def test_a_failed_step_runs_again_and_the_next_attempt_is_told_why() -> None:
    desk = Desk()
    token = start(desk).fencing_token
    desk(Mark("fetch", "failed", error="503 from the shop", fencing_token=token))
    again = start(desk)
    assert (again.decision, again.attempt) == ("run", 2)
    assert again.advice.startswith("Attempt 1 failed: 503 from the shop.")


def test_a_failed_step_waits_until_its_retry_is_due() -> None:
    desk = planned(PlannedStep("fetch"))
    desk(Mark("fetch", "failed", retry_after=timedelta(minutes=5)))
    due = desk.now + timedelta(minutes=5)
    waiting = start(desk)
    assert (waiting.decision, waiting.wait_until, waiting.holder) == ("wait", due, None)
    desk.turn_clock(minutes=5)
    assert start(desk).decision == "run"


def test_a_step_that_failed_for_good_is_blocked_until_it_is_marked_otherwise() -> None:
    desk = planned(PlannedStep("fetch"))
    desk(Mark("fetch", "failed", retryable=False))
    blocked = start(desk)
    assert (blocked.decision, blocked.needs) == ("blocked", ())
    desk(Mark("fetch", "failed", retryable=True))
    assert start(desk).decision == "run"


@pytest.mark.parametrize("finished", [False, True])
def test_the_same_step_with_another_input_is_refused(finished: bool) -> None:
    desk = Desk()
    token = start(desk, input="sha of A").fencing_token
    if finished:
        desk(Mark("fetch", fencing_token=token))
    with pytest.raises(Conflict) as caught:
        start(desk, input="sha of B")
    assert caught.value.code == "input_changed"


def test_an_input_given_once_is_kept_through_attempts_that_give_none() -> None:
    desk = Desk()
    start(desk, input="sha of A")
    desk.turn_clock(minutes=1)
    assert start(desk).attempt == 2
    assert desk.document.steps["fetch"].input == "sha of A"
    desk.turn_clock(minutes=1)
    assert start(desk, input="sha of A").attempt == 3


@pytest.mark.parametrize(
    "lease", [timedelta(), timedelta(seconds=-1), timedelta(milliseconds=999), timedelta(hours=25)]
)
def test_a_lease_shorter_or_longer_than_allowed_is_refused(lease: timedelta) -> None:
    with pytest.raises(InvalidInput) as caught:
        Desk()(Start("fetch", lease))
    assert caught.value.code == "bad_lease"


@pytest.mark.parametrize("name", ["", " fetch", "fetch ", "a\nb", "a\0b", "\u202e", "\ud800"])
def test_a_step_name_that_people_cannot_read_is_refused(name: str) -> None:
    desk = Desk()
    with pytest.raises(InvalidInput):
        start(desk, name)
    assert desk.document is EMPTY


def test_more_steps_than_a_run_may_have_are_refused_but_known_ones_still_start() -> None:
    desk = Desk(limits=Limits(steps=1))
    start(desk)
    with pytest.raises(LimitExceeded):
        start(desk, "another")
    desk.turn_clock(minutes=1)
    assert start(desk).attempt == 2


def test_a_step_name_longer_than_allowed_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="200"):
        start(Desk(), "x" * 201)
