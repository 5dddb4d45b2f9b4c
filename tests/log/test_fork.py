"""fork: what another workspace begins with, and the entry in the one that it is from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.log.desk import Desk

from safepoint.errors import Conflict
from safepoint.format.document import Document
from safepoint.format.entries import ApprovalEntry
from safepoint.log.transitions import (
    BeginFork,
    Mark,
    PlanSteps,
    RecordFork,
    Save,
    Start,
)
from safepoint.log.transitions.base import Outcome, StateChange, advance
from safepoint.log.transitions.fork import KEPT_FORKS
from safepoint.model import PlannedStep

LEASE = timedelta(minutes=5)


@pytest.fixture
def origin() -> Desk:
    """Version 4: `fetch` done, `send` under way, `tidy` pending."""
    desk = Desk()
    desk(PlanSteps((PlannedStep("fetch"), PlannedStep("send"), PlannedStep("tidy")), goal="Mail"))
    desk(Mark("fetch", result=b"7"))
    desk(Start("send", LEASE))
    desk(Save(StateChange(whole=b'{"page":1}'), label="half", summary="s", next_action="go on"))
    return desk


def fork(old: Document, head: Document | None = None, desk: Desk | None = None) -> Desk:
    desk = desk or Desk()
    desk(BeginFork("mail", old, head or old, reason="try it"))
    return desk


def test_it_begins_as_the_origin_was(origin: Desk) -> None:
    old = origin.document
    new = fork(old).document
    assert (new.version, new.run, new.state) == (1, 1, old.state)
    assert (new.goal, new.summary, new.next_action) == ("Mail", "s", "go on")
    assert new.regions["result/fetch"] == b"7"
    assert new.steps["fetch"] == old.steps["fetch"]
    assert new.origin is not None
    assert (new.origin.workspace, new.origin.version, new.origin.run) == ("mail", 4, 1)
    assert new.latest is not None
    assert (new.latest.label, new.latest.summary) == (
        "half",
        "forked from mail at version 4: try it",
    )


def test_leases_stay_behind_and_keys_are_its_own(origin: Desk) -> None:
    token = origin.document.steps["send"].token
    forked = fork(origin.document)
    with pytest.raises(Conflict):
        forked(Mark("send", fencing_token=token))
    started = forked(Start("send", LEASE))
    assert (started.decision, started.attempt) == ("run", 2)
    assert started.idempotency_key == "work:1:send"
    assert "forked from 'mail'" in started.advice
    assert "'mail:1:send'" in started.advice
    assert "forked" not in forked(Start("tidy", LEASE)).advice


def test_what_the_origin_ran_since_is_in_doubt(origin: Desk) -> None:
    old = origin.document
    origin(Mark("tidy"))
    origin(Start("planned later", LEASE))
    forked = fork(old, origin.document)
    assert list(forked.document.steps) == ["fetch", "send", "tidy"]
    assert "'mail:1:tidy'" in forked(Start("tidy", LEASE)).advice


def test_people_have_not_been_asked_in_it(origin: Desk) -> None:
    asked = {"pay": ApprovalEntry(status="approved")}
    origin(
        lambda d, c: Outcome(
            None, advance(d, c, approvals=asked, regions={**d.regions, "approval/pay": b"1"})
        )
    )
    new = fork(origin.document).document
    assert new.approvals == {}
    assert set(new.regions) == {"state", "result/fetch"}


def test_what_belongs_to_the_origin_alone_stays_there(origin: Desk) -> None:
    origin(RecordFork("other", 2, 5))
    origin(Save(StateChange(whole=b"{}"), request_id="s"))
    new = fork(origin.document).document
    assert (new.forks, new.requests, new.pins, new.runs) == ((), (), (), ())
    assert len(new.checkpoints) == 1


def test_the_same_again_is_no_second_fork(origin: Desk) -> None:
    forked = fork(origin.document)
    first = forked.document
    assert forked(BeginFork("mail", origin.document, origin.document)) is None
    assert forked.document is first


def test_another_version_or_origin_under_that_name_is_a_conflict(origin: Desk) -> None:
    old = origin.document
    origin(Save(StateChange(whole=b"{}")))
    forked = fork(old)
    for other in (
        BeginFork("mail", origin.document, origin.document),
        BeginFork("letters", old, old),
    ):
        with pytest.raises(Conflict) as caught:
            forked(other)
        assert caught.value.code == "workspace_exists"
    anything = BeginFork("mail", origin.document, origin.document, any_version=True)
    assert forked(anything) is None


def test_what_is_no_fork_is_not_taken_for_one(origin: Desk) -> None:
    plain = Desk()
    plain(Save(StateChange(whole=b"{}")))
    with pytest.raises(Conflict, match="not a fork"):
        fork(origin.document, desk=plain)


def test_under_the_name_of_a_deleted_workspace_numbers_go_on(origin: Desk) -> None:
    desk = Desk(Document(version=8, run=3, deleted=True))
    new = fork(origin.document, desk=desk).document
    assert (new.version, new.run, new.run_first, new.deleted) == (9, 3, 9, False)
    assert "'mail:1:send'" in desk(Start("send", LEASE)).advice


def test_the_origin_remembers_it_once(origin: Desk) -> None:
    before = origin.document
    origin(RecordFork("copy", 4, 99, "try it"))
    assert origin.event == {"kind": "forked", "to": "copy", "version": 4, "reason": "try it"}
    assert [(f.workspace, f.version, f.at_ms) for f in origin.document.forks] == [("copy", 4, 99)]
    assert origin.document.regions == before.regions
    origin(RecordFork("copy", 4, 99))
    assert not origin.changed


def test_the_memory_of_forks_is_bounded(origin: Desk) -> None:
    for number in range(KEPT_FORKS + 3):
        origin(RecordFork(f"copy-{number}", 1, 1))
    assert len(origin.document.forks) == KEPT_FORKS
    assert origin.document.forks[-1].workspace == f"copy-{KEPT_FORKS + 2}"
