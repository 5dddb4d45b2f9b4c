"""Asking people, and what becomes of the question: every state against every command."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.log.desk import Desk

from safepoint import Actor, Conflict, InvalidInput, LimitExceeded, Limits, NotFound
from safepoint.log.transitions import Ask, Consume, Decide, Withdraw
from safepoint.model import Approval, Verdict

ANN, BEN = Actor("ann", host="here"), Actor("ben", host="there")
SCHEMA = json.dumps(
    {"type": "object", "properties": {"amount": {"type": "integer", "minimum": 1}}}
).encode()


def ask(desk: Desk, **changes: Any) -> Any:
    return desk(Ask(**{"name": "deploy", "question": "Deploy?", **changes}))


def decide(desk: Desk, verdict: Verdict = Verdict.APPROVE, by: Actor = ANN, **more: Any) -> Any:
    desk.actor, before = by, desk.actor
    try:
        return desk(Decide("deploy", verdict, **more))
    finally:
        desk.actor = before


def into(desk: Desk, state: str) -> Approval:
    """The approval of a desk, brought into a state."""
    approval: Approval = ask(desk, expires=timedelta(hours=1), single_use=True).approval
    if state in ("approved", "used"):
        approval = decide(desk).approval
    if state == "denied":
        approval = decide(desk, Verdict.DENY, comment="not on a Friday").approval
    if state == "withdrawn":
        approval = desk(Withdraw("deploy")).approval
    if state == "used":
        approval = desk(Consume("deploy", "step")).approval
    if state == "expired":
        desk.turn_clock(hours=1)
    return approval


STATES = ("pending", "approved", "used", "denied", "withdrawn", "expired")


def again(desk: Desk, **changes: Any) -> Any:
    return ask(desk, expires=timedelta(hours=1), single_use=True, **changes)


@pytest.mark.parametrize("state", STATES)
def test_asking_the_same_again_tells_how_it_stands_or_asks_when_there_is_no_answer(
    state: str,
) -> None:
    desk = Desk()
    before = into(desk, state)
    reply = again(desk)
    anew = state in ("withdrawn", "expired")
    assert (reply.asked, desk.changed) == (anew, anew)
    assert reply.replaced == (state if anew else None)
    assert reply.approval.status == (
        "pending" if anew else "approved" if state == "used" else state
    )
    assert (reply.approval.digest == before.digest) is not anew


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "change",
    [
        {"question": "Deploy now?"},
        {"details": "all of it"},
        {"options": ("yes", "no")},
        {"schema": SCHEMA},
        {"subject": b'{"commit":"abc"}'},
        {"single_use": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_asking_something_else_takes_the_place_of_the_question_and_its_answer(
    state: str, change: dict[str, Any]
) -> None:
    desk = Desk()
    before = into(desk, state)
    reply = ask(desk, **{"expires": timedelta(hours=1), "single_use": True, **change})
    assert reply.asked
    assert reply.replaced == ("approved" if state == "used" else state)
    assert reply.approval.status == "pending"
    assert (reply.approval.used_by, reply.approval.decided_by) == (None, None)
    assert reply.approval.digest != before.digest
    assert desk.event == {"kind": "ask", "approval": "deploy", "replaces": reply.replaced}


def test_a_repeat_does_not_keep_a_question_open_for_longer() -> None:
    desk = Desk()
    first = into(desk, "pending")
    desk.turn_clock(minutes=59)
    assert again(desk).approval.expires_at == first.expires_at


def test_the_subject_lies_in_a_region_of_its_own_and_goes_with_its_question() -> None:
    desk = Desk()
    reply = ask(desk, subject=b'{"rows":3}')
    assert desk.document.regions == {"approval/deploy": b'{"rows":3}'}
    assert reply.approval.subject_sha256 == hashlib.sha256(b'{"rows":3}').hexdigest()
    ask(desk)
    assert desk.document.regions == {}


@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.DENY])
@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("pending", None),
        ("approved", "already_decided"),
        ("used", "already_decided"),
        ("denied", "already_decided"),
        ("withdrawn", "approval_withdrawn"),
        ("expired", "approval_expired"),
    ],
)
def test_only_a_pending_question_can_be_decided(
    state: str, code: str | None, verdict: Verdict
) -> None:
    desk = Desk()
    into(desk, state)
    if code is None:
        decided = decide(desk, verdict, BEN, channel="cli", comment="ok")
        approval = decided.approval
        assert approval.status == {"approve": "approved", "deny": "denied"}[verdict]
        assert (approval.decided_by, approval.decided_at) == (BEN, desk.now)
        assert (approval.channel, approval.comment) == ("cli", "ok")
        assert (decided.version, decided.repeated) == (2, False)
        assert desk.event == {"kind": verdict.value, "approval": "deploy", "channel": "cli"}
        return
    before = desk.document
    with pytest.raises(Conflict) as caught:
        decide(desk, verdict, BEN)
    assert caught.value.code == code
    assert code != "already_decided" or "by ann" in caught.value.message
    assert desk.document is before


def test_the_same_decision_again_by_the_same_person_answers_what_was_recorded() -> None:
    desk = Desk()
    ask(desk)
    first = decide(desk, channel="cli", comment="fine")
    desk.turn_clock(hours=1)
    second = decide(desk, channel="cli", comment="fine")
    assert (second.repeated, second.version, desk.changed) == (True, 2, False)
    assert second.approval == first.approval
    for other in (
        {"by": BEN, "comment": "fine"},
        {"comment": "no wait"},
        {"comment": "fine", "verdict": Verdict.DENY},
    ):
        with pytest.raises(Conflict, match="was approved by ann"):
            decide(desk, **{"channel": "cli", **other})


def test_a_decision_counts_only_for_what_was_looked_at() -> None:
    desk = Desk()
    seen = ask(desk, subject=b"1").approval
    shown = ask(desk, subject=b"2").approval
    with pytest.raises(Conflict) as caught:
        decide(desk, digest=seen.digest)
    assert caught.value.code == "approval_changed"
    assert decide(desk, digest=shown.digest).approval.given


def test_the_same_question_asked_anew_has_another_digest() -> None:
    desk = Desk()
    first = ask(desk, subject=b"1").approval
    ask(desk, subject=b"2")
    third = ask(desk, subject=b"1").approval
    assert third.subject_sha256 == first.subject_sha256
    with pytest.raises(Conflict, match="asked anew in version 3"):
        decide(desk, digest=first.digest)


@pytest.mark.parametrize(
    ("asked", "verdict", "answer", "code"),
    [
        ({}, "answer", b'"yes"', "takes_no_answer"),
        ({}, "approve", b'"yes"', "invalid_input"),
        ({"options": ("a", "b")}, "approve", None, "needs_answer"),
        ({"options": ("a", "b")}, "answer", None, "needs_answer"),
        ({"options": ("a", "b")}, "answer", b'"c"', "bad_answer"),
        ({"options": ("a", "b")}, "answer", b'["a"]', "bad_answer"),
        ({"options": ("a", "b")}, "answer", b'"a"', None),
        ({"options": ("a", "b")}, "deny", None, None),
        ({"schema": SCHEMA}, "answer", b'{"amount":0}', "bad_answer"),
        ({"schema": SCHEMA}, "answer", b'"a"', "bad_answer"),
        ({"schema": SCHEMA}, "approve", None, "needs_answer"),
        ({"schema": SCHEMA}, "answer", b'{"amount":5}', None),
        ({"schema": SCHEMA}, "deny", None, None),
    ],
)
def test_a_decision_fits_its_question_or_is_refused(
    asked: dict[str, Any], verdict: str, answer: bytes | None, code: str | None
) -> None:
    desk = Desk()
    ask(desk, **asked)
    if code is not None:
        with pytest.raises(InvalidInput) as caught:
            decide(desk, Verdict(verdict), answer=answer)
        assert caught.value.code == code
        assert desk.document.approvals["deploy"].status == "pending"
        return
    approval = decide(desk, Verdict(verdict), answer=answer).approval
    assert approval.status == ("denied" if verdict == "deny" else "answered")
    assert approval.answer == (None if answer is None else json.loads(answer))


@pytest.mark.parametrize("state", STATES)
def test_what_can_be_withdrawn(state: str) -> None:
    desk = Desk()
    into(desk, state)
    if state in ("denied", "used"):
        with pytest.raises(Conflict, match="cannot be withdrawn"):
            desk(Withdraw("deploy"))
        return
    reply = desk(Withdraw("deploy", "not needed"))
    assert reply.approval.status == "withdrawn"
    assert reply.repeated is (state == "withdrawn")
    assert desk.changed is (state != "withdrawn")


@pytest.mark.parametrize("state", STATES)
def test_only_a_yes_is_used_up_and_only_once(state: str) -> None:
    desk = Desk()
    into(desk, state)
    if state not in ("approved", "used"):
        with pytest.raises(Conflict) as caught:
            desk(Consume("deploy", "step"))
        assert caught.value.code == "approval_not_given"
        return
    used = desk(Consume("deploy", "step"))
    assert (used.approval.used_by, used.version) == ("step", 3)
    assert desk(Consume("deploy", "step")).repeated
    with pytest.raises(Conflict, match="'step' used it"):
        desk(Consume("deploy", "other"))


def test_an_approval_for_any_number_of_uses_is_never_used_up() -> None:
    desk = Desk()
    ask(desk)
    decide(desk)
    assert desk(Consume("deploy", "one")).approval.used_by is None
    assert not desk.changed


@pytest.mark.parametrize("command", [Decide("depoy", Verdict.DENY), Withdraw("depoy")])
def test_an_unknown_name_is_told_the_closest_one(command: Any) -> None:
    desk = Desk()
    ask(desk)
    with pytest.raises(NotFound, match="depoy") as caught:
        desk(command)
    assert (caught.value.code, "'deploy'" in caught.value.hint) == ("approval_not_found", True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "approval name"),
        ({"name": "a\nb"}, "approval name"),
        ({"question": " "}, "empty"),
        ({"options": ("a", "a")}, "different"),
        ({"options": ("a\nb",)}, "one line"),
        ({"options": tuple(map(str, range(51)))}, "up to 50"),
        ({"options": ("a", "b"), "schema": SCHEMA}, "exclude"),
        ({"schema": b'{"type":"string"}'}, "schema"),
        ({"expires": timedelta(0)}, "1 second"),
        ({"expires": timedelta(days=367)}, "366 days"),
    ],
)
def test_a_question_that_no_person_could_answer_is_refused(
    wrong: dict[str, Any], said: str
) -> None:
    desk = Desk()
    with pytest.raises(InvalidInput, match=said):
        ask(desk, **wrong)
    assert not desk.document.version


@pytest.mark.parametrize(
    "wrong",
    [
        {"question": "x" * 4097},
        {"details": "x" * 4097},
        {"options": ("x" * 201,)},
        {"schema": b'"' + b"x" * 16384 + b'"'},
        {"subject": b'"' + b"x" * 262144 + b'"'},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_is_too_large_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(LimitExceeded, match=r"limit is [0-9,]+") as caught:
        ask(Desk(), **wrong)
    assert next(iter(wrong)).rstrip("s") in caught.value.message


def test_there_are_only_so_many_approvals_in_a_run() -> None:
    desk = Desk(limits=Limits(approvals=1))
    ask(desk)
    ask(desk, question="Other?")
    with pytest.raises(LimitExceeded, match="has 1 approvals"):
        ask(desk, name="second")
