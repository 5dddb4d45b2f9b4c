"""start_new_run: what goes on, what begins afresh, and when it is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.log.desk import Desk

from safepoint.errors import Conflict, InvalidInput
from safepoint.format.entries import ApprovalEntry
from safepoint.log.transitions import Mark, PlanSteps, Save, Start, StartNewRun
from safepoint.log.transitions.base import Outcome, StateChange, advance
from safepoint.log.transitions.runs import KEPT_RUNS
from safepoint.model import PlannedStep

LEASE = timedelta(minutes=5)
STATE = b'{"b":1,"a":{"x":12345678901234567890123},"c":[1.0]}'


@pytest.fixture
def desk() -> Desk:
    """At version 4: a state, one step done and one pending."""
    desk = Desk()
    desk(PlanSteps((PlannedStep("fetch"), PlannedStep("send")), goal="Mail"))
    token = desk(Start("fetch", LEASE)).fencing_token
    desk(Mark("fetch", result=b"7", fencing_token=token))
    desk(Save(StateChange(whole=STATE), label="half", summary="half way", next_action="go on"))
    return desk


def test_steps_begin_afresh_and_the_state_goes_on(desk: Desk) -> None:
    began = desk.document.created_ms
    desk.turn_clock(hours=1)
    reply = desk(StartNewRun(reason="a new week"))
    now = desk.document
    assert (reply.run, reply.version, reply.state_bytes) == (2, 5, len(STATE))
    assert (now.run, now.run_first, now.run_ms, now.steps) == (2, 5, desk.now_ms, {})
    assert dict(now.regions) == {"state": STATE}
    assert (now.goal, now.summary, now.next_action) == ("Mail", "half way", "go on")
    (ended,) = now.runs
    assert (ended.run, ended.last_version, ended.steps, ended.done) == (1, 4, 2, 1)
    assert (ended.started_ms, ended.ended_ms, ended.reason) == (began, desk.now_ms, "a new week")
    assert desk.event == {
        "kind": "new_run", "run": 2, "reason": "a new week", "state_bytes": len(STATE),
    }  # fmt: skip


def test_it_begins_with_a_checkpoint_under_the_label_of_the_last(desk: Desk) -> None:
    desk(StartNewRun())
    latest = desk.document.latest
    assert latest is not None
    assert (latest.version, latest.run, latest.label) == (5, 2, "half")


def test_the_same_step_has_another_idempotency_key(desk: Desk) -> None:
    desk(StartNewRun())
    started = desk(Start("fetch", LEASE))
    assert (started.attempt, started.idempotency_key) == (1, "work:2:fetch")


def test_chosen_keys_go_on_byte_for_byte_in_their_order(desk: Desk) -> None:
    desk(StartNewRun(carry=("a", "b")))
    assert desk.document.state == b'{"b":1,"a":{"x":12345678901234567890123}}'
    assert desk.document.latest.label is None


def test_a_key_that_is_not_there_is_refused_with_the_closest(desk: Desk) -> None:
    desk(Save(StateChange(whole=b'{"pages":[]}')))
    with pytest.raises(InvalidInput) as caught:
        desk(StartNewRun(carry=("page",)))
    assert caught.value.code == "unknown_key"
    assert "'pages'" in caught.value.hint


def test_a_state_without_keys_cannot_carry_some(desk: Desk) -> None:
    desk(Save(StateChange(whole=b"[1]")))
    with pytest.raises(InvalidInput, match="not an object"):
        desk(StartNewRun(carry=("a",)))


def test_nothing_or_another_state_can_go_on(desk: Desk) -> None:
    desk(StartNewRun(change=StateChange(whole=b'{"new":1}')))
    assert desk.document.state == b'{"new":1}'
    desk(StartNewRun(carry=()))
    assert (desk.document.state, desk.document.state_sha256) == (None, "")
    assert desk.document.run == 3


def test_somebody_at_work_is_not_cut_off_unless_it_is_said(desk: Desk) -> None:
    token = desk(Start("send", LEASE)).fencing_token
    with pytest.raises(Conflict) as caught:
        desk(StartNewRun())
    assert caught.value.code == "steps_running"
    assert "'send'" in caught.value.message
    assert "ann" in caught.value.message
    (effect,) = desk(StartNewRun(even_if_running=True)).effects
    assert (effect.step, effect.held_by, effect.idempotency_key) == (
        "send", desk.actor, "work:1:send",
    )  # fmt: skip
    desk(Start("send", LEASE))
    with pytest.raises(Conflict) as caught:
        desk(Mark("send", fencing_token=token))
    assert caught.value.code == "stale_token"


def test_a_lease_that_ran_out_holds_nobody_up_and_is_told_of(desk: Desk) -> None:
    desk(Start("send", LEASE))
    desk.turn_clock(minutes=6)
    (effect,) = desk(StartNewRun()).effects
    assert (effect.was, effect.held_by) == ("interrupted", None)


def test_a_run_in_which_nothing_happened_is_not_ended(desk: Desk) -> None:
    first = desk(StartNewRun(carry=("a",)))
    again = desk(StartNewRun(carry=("a",)))
    assert not desk.changed
    assert (again.run, again.version, again.repeated) == (first.run, first.version, True)


def test_with_the_run_named_a_repeat_does_nothing_whatever_came_after(desk: Desk) -> None:
    first = desk(StartNewRun(run=1))
    desk(PlanSteps((PlannedStep("later"),)))
    again = desk(StartNewRun(run=1))
    assert not desk.changed
    assert (again.run, again.version, again.repeated) == (2, first.version, True)
    desk(StartNewRun(run=2))
    with pytest.raises(Conflict) as caught:
        desk(StartNewRun(run=1))
    assert caught.value.code == "other_run"
    with pytest.raises(Conflict, match="in run 3"):
        desk(StartNewRun(run=7))


def test_questions_to_people_end_with_their_run(desk: Desk) -> None:
    asked = {"pay": ApprovalEntry(question="Pay?")}
    desk(
        lambda d, c: Outcome(
            None, advance(d, c, approvals=asked, regions={**d.regions, "approval/pay": b"1"})
        )
    )
    desk(StartNewRun())
    assert desk.document.approvals == {}
    assert list(desk.document.regions) == ["state"]


def test_a_save_of_the_run_before_can_still_be_repeated(desk: Desk) -> None:
    again = Save(StateChange(whole=b"{}"), request_id="s1")
    saved = desk(again).entry.version
    desk(StartNewRun())
    assert desk(again).entry.version == saved


def test_the_list_of_runs_is_bounded(desk: Desk) -> None:
    for number in range(KEPT_RUNS + 2):
        desk(StartNewRun(change=StateChange(whole=b"%d" % number)))
    runs = desk.document.runs
    assert (len(runs), runs[-1].run) == (KEPT_RUNS, KEPT_RUNS + 2)
