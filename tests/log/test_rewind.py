"""rewind: the state goes back, what happened outside does not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.log.desk import Desk

from safepoint.errors import Conflict, InvalidInput
from safepoint.format.document import Document
from safepoint.format.entries import ArtifactEntry
from safepoint.log.transitions import Command, Mark, PlanSteps, Rewind, Save, Start, StartNewRun
from safepoint.log.transitions.artifact import as_at, current
from safepoint.log.transitions.base import Context, Outcome, StateChange, advance
from safepoint.model import PlannedStep, Rewound, Started, StepStatus

LEASE = timedelta(minutes=5)


def save(desk: Desk, state: bytes, **more: str) -> Document:
    desk(Save(StateChange(whole=state), **more))
    return desk.document


def start(desk: Desk, step: str = "send", **more: object) -> Started:
    return desk(Start(step, LEASE, **more))  # type: ignore[arg-type]


def do(desk: Desk, step: str = "send", result: bytes | None = None) -> int:
    """Run a step as an agent does; its token."""
    token = start(desk, step).fencing_token
    assert token is not None
    desk(Mark(step, result=result, fencing_token=token))
    return token


@pytest.fixture
def desk() -> Desk:
    """At version 2: a plan of two steps and a first state."""
    desk = Desk()
    desk(PlanSteps((PlannedStep("fetch"), PlannedStep("send", after=("fetch",))), goal="Mail"))
    save(desk, b'{"page":1}', summary="first", next_action="go on")
    return desk


def test_state_and_texts_are_those_of_the_older_version(desk: Desk) -> None:
    old = desk.document
    save(desk, b'{"page":2}', summary="second", next_action="stop")
    reply = desk(Rewind(old, "wrong page"))
    now = desk.document
    assert (now.state, now.state_sha256) == (old.state, old.state_sha256)
    assert (now.summary, now.next_action, now.goal) == ("first", "go on", "Mail")
    assert (reply.version, reply.to_version, reply.effects) == (4, 2, ())
    assert desk.event == {
        "kind": "rewind", "to": 2, "reason": "wrong page", "state_bytes": 10,
    }  # fmt: skip


def test_it_is_a_checkpoint_of_its_own_that_says_why(desk: Desk) -> None:
    old = desk.document
    save(desk, b"{}")
    desk(Rewind(old, "wrong page"))
    assert [entry.version for entry in desk.document.checkpoints] == [2, 3, 4]
    latest = desk.document.latest
    assert latest is not None
    assert latest.summary == "rewound to version 2: wrong page"


def test_a_step_done_since_is_pending_again_but_not_as_if_it_had_never_run(desk: Desk) -> None:
    old = desk.document
    do(desk, "fetch", b'{"rows":7}')
    (effect,) = desk(Rewind(old)).effects
    assert (effect.step, effect.was, effect.now) == ("fetch", "done", "pending")
    assert (effect.attempts, effect.idempotency_key) == (1, "work:1:fetch")
    assert effect.result == '{"rows":7}'
    again = start(desk, "fetch")
    assert (again.decision, again.attempt) == ("run", 2)
    assert again.idempotency_key == "work:1:fetch"
    assert "rewound in version 5" in again.advice
    assert "not taken back" in again.advice
    assert "result/fetch" not in desk.document.regions
    assert desk.document.steps["fetch"].doubt


def test_the_warning_stays_until_the_step_is_finished(desk: Desk) -> None:
    old = desk.document
    do(desk, "fetch")
    desk(Rewind(old))
    token = start(desk, "fetch").fencing_token
    desk(Mark("fetch", "failed", error="no network", fencing_token=token))
    third = start(desk, "fetch")
    assert third.attempt == 3
    assert "rewound" in third.advice
    assert "no network" in third.advice


@pytest.mark.parametrize("status", ["done", "failed"])
def test_a_step_marked_without_a_start_may_have_had_its_effect_too(desk: Desk, status: str) -> None:
    old = desk.document
    desk(Mark("fetch", status))
    assert [effect.step for effect in desk(Rewind(old)).effects] == ["fetch"]
    assert "rewound" in start(desk, "fetch").advice


def test_a_step_skipped_since_had_no_effect(desk: Desk) -> None:
    old = desk.document
    desk(Mark("fetch", "skipped"))
    assert desk(Rewind(old)).effects == ()
    assert "rewound" not in start(desk, "fetch").advice


def test_a_step_that_was_done_already_stays_done_with_its_result(desk: Desk) -> None:
    do(desk, "fetch", b"7")
    entry, old = desk.document.steps["fetch"], desk.document
    save(desk, b"{}")
    assert desk(Rewind(old)).effects == ()
    assert desk.document.steps["fetch"] == entry
    assert desk.document.regions["result/fetch"] == b"7"
    assert start(desk, "fetch").result == 7


def test_holders_are_cut_off_and_told_of(desk: Desk) -> None:
    old = desk.document
    token = start(desk, "fetch").fencing_token
    (effect,) = desk(Rewind(old)).effects
    assert effect.was is StepStatus.RUNNING
    assert effect.held_by == desk.actor
    for call in (Mark("fetch", fencing_token=token), Start("fetch", LEASE, fencing_token=token)):
        with pytest.raises(Conflict) as caught:
            desk(call)
        assert caught.value.code == "stale_token"


def test_an_attempt_under_way_then_and_now_is_interrupted_at_once(desk: Desk) -> None:
    token = start(desk, "fetch").fencing_token
    old = desk.document
    save(desk, b"{}")
    (effect,) = desk(Rewind(old)).effects
    assert (effect.was, effect.now) == ("running", "interrupted")
    with pytest.raises(Conflict, match="does not hold"):
        desk(Mark("fetch", fencing_token=token))
    again = start(desk, "fetch")
    assert (again.decision, again.attempt) == ("run", 2)
    assert "never reported" in again.advice


def test_an_attempt_under_way_then_and_done_since_is_in_doubt(desk: Desk) -> None:
    token = start(desk, "fetch").fencing_token
    old = desk.document
    desk(Mark("fetch", fencing_token=token))
    (effect,) = desk(Rewind(old)).effects
    assert (effect.was, effect.now) == ("done", "interrupted")
    assert "rewound" in start(desk, "fetch").advice


def test_tokens_of_a_failed_attempt_end_too(desk: Desk) -> None:
    token = start(desk, "fetch").fencing_token
    desk(Mark("fetch", "failed", fencing_token=token))
    old = desk.document
    save(desk, b"{}")
    desk(Rewind(old))
    with pytest.raises(Conflict) as caught:
        desk(Mark("fetch", fencing_token=token))
    assert caught.value.code == "stale_token"


def test_attempts_never_go_down_over_several_rewinds(desk: Desk) -> None:
    old = desk.document
    for attempt in (1, 2, 3):
        started = start(desk, "fetch")
        assert started.attempt == attempt
        desk(Mark("fetch", fencing_token=started.fencing_token))
        desk(Rewind(old))
    assert desk.document.steps["fetch"].attempts == 3


def test_going_forward_again_brings_the_result_back(desk: Desk) -> None:
    old = desk.document
    do(desk, "fetch", b"7")
    done = desk.document
    desk(Rewind(old))
    desk(Rewind(done))
    again = start(desk, "fetch")
    assert (again.decision, again.result) == ("skip", 7)


def test_another_input_stays_refused_since_the_key_is_the_same(desk: Desk) -> None:
    old = desk.document
    token = start(desk, "fetch", input="a" * 64).fencing_token
    desk(Mark("fetch", fencing_token=token))
    desk(Rewind(old))
    with pytest.raises(Conflict) as caught:
        start(desk, "fetch", input="b" * 64)
    assert caught.value.code == "input_changed"


def test_steps_planned_since_go_unless_they_were_started(desk: Desk) -> None:
    old = desk.document
    desk(PlanSteps((PlannedStep("tidy"), PlannedStep("pay", after=("tidy", "fetch")))))
    do(desk, "fetch")
    desk(Mark("tidy", "skipped"))
    do(desk, "pay")
    reply = desk(Rewind(old))
    assert reply.dropped == ("tidy",)
    assert {effect.step: effect.now for effect in reply.effects} == {
        "fetch": "pending", "pay": "pending",
    }  # fmt: skip
    assert list(desk.document.steps) == ["fetch", "send", "pay"]
    assert desk.document.steps["pay"].after == ("fetch",)
    do(desk, "fetch")
    assert "rewound" in start(desk, "pay").advice


def test_rewinding_to_how_things_are_changes_nothing(desk: Desk) -> None:
    old = desk.document
    do(desk, "fetch")
    start(desk, "send")
    first = desk(Rewind(old))
    desk.turn_clock(minutes=1)
    again = desk(Rewind(old))
    assert not desk.changed
    assert (first.repeated, again.repeated) == (False, True)
    assert (again.version, again.to_version) == (first.version, 2)
    assert [effect.step for effect in again.effects] == ["fetch", "send"]


def test_a_request_id_makes_it_happen_once_whatever_came_after(desk: Desk) -> None:
    old = desk.document
    save(desk, b"{}")
    first = desk(Rewind(old, request_id="r1"))
    later = save(desk, b'{"page":3}')
    again = desk(Rewind(old, request_id="r1"))
    assert (again.version, again.sha256) == (first.version, first.sha256)
    assert again.repeated
    assert desk.document is later
    with pytest.raises(Conflict) as caught:
        desk(Rewind(later, request_id="r1"))
    assert caught.value.code == "request_reused"


def test_an_expected_version_guards_what_others_did(desk: Desk) -> None:
    old = desk.document
    save(desk, b"{}")
    save(desk, b"[]")
    with pytest.raises(Conflict) as caught:
        desk(Rewind(old, expected_version=3))
    assert caught.value.code == "version_conflict"
    desk(Rewind(old, expected_version=4))


def test_of_an_earlier_run_the_state_comes_back_and_its_steps_do_not(desk: Desk) -> None:
    do(desk, "fetch", b"7")
    old = desk.document
    desk(StartNewRun(carry=()))
    do(desk, "fetch", b"8")
    reply = desk(Rewind(old))
    assert (reply.run, reply.to_run) == (2, 1)
    assert (desk.document.run, desk.document.state) == (2, old.state)
    assert list(desk.document.steps) == ["fetch"]
    assert [effect.idempotency_key for effect in reply.effects] == ["work:2:fetch"]
    assert "result/fetch" not in desk.document.regions


def test_what_is_not_the_agents_stays_as_it_is(desk: Desk) -> None:
    old = desk.document
    requests = save(desk, b"{}", request_id="s1").requests
    desk(lambda d, c: Outcome(None, advance(d, c, pins=(2,), regions={**d.regions, "kept": b"k"})))
    desk(Rewind(old))
    assert (desk.document.pins, desk.document.requests) == ((2,), requests)
    assert desk.document.regions["kept"] == b"k"
    assert desk.document.created_ms == old.created_ms


def with_files(table: dict[str, tuple[ArtifactEntry, ...]]) -> Command[None]:
    def command(document: Document, context: Context) -> Outcome[None]:
        return Outcome(None, advance(document, context, artifacts=table))

    return command


def test_files_are_again_what_they_were_as_new_revisions_of_the_same_objects(desk: Desk) -> None:
    first = ArtifactEntry("obj-1", 1, 3, 0, 5, "aa", "text/plain")
    desk(with_files({"a": (first,)}))
    old = desk.document
    ended = ArtifactEntry("obj-1", 1, 3, 0, 5, "aa", "text/plain", until=4)
    second = ArtifactEntry("obj-2", 2, 4, 0, 6, "bb", "text/plain")
    new = ArtifactEntry("obj-3", 1, 4, 0, 7, "cc", "text/plain")
    desk(with_files({"a": (ended, second), "b": (new,)}))
    desk(Rewind(old))
    table = desk.document.artifacts
    assert [(entry.id, entry.revision, entry.until) for entry in table["a"]] == [
        ("obj-1", 1, 4), ("obj-2", 2, 5), ("obj-1", 3, None),
    ]  # fmt: skip
    assert current(table["b"]) is None
    assert as_at(table["b"], 4) is not None
    assert desk(Rewind(old)).repeated


@pytest.mark.parametrize("argument", [{"request_id": ""}, {"reason": "x" * 5000}])
def test_wrong_arguments_are_refused(desk: Desk, argument: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        desk(Rewind(desk.document, **argument))


def test_a_reply_without_effects_lists_none(desk: Desk) -> None:
    reply = desk(Rewind(desk.document))
    assert isinstance(reply, Rewound)
    assert (reply.repeated, reply.effects, reply.dropped) == (True, (), ())
