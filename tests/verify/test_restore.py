"""The document that takes the place of lost versions: what becomes of questions to people."""

from __future__ import annotations

import pytest
from tests.log.desk import Desk

from safepoint.format.document import Document
from safepoint.format.entries import ApprovalEntry
from safepoint.model import Actor
from safepoint.verify.restore import Known, restored

OPEN = ApprovalEntry(single_use=True)
GIVEN = ApprovalEntry(status="approved", single_use=True, decided_ms=1, decided_by=Actor("ann"))
USED = ApprovalEntry(status="approved", single_use=True, decided_ms=1, used_by="send")
OFTEN = ApprovalEntry()


def status(entry: ApprovalEntry, *, known: bool, told: frozenset[str] = frozenset()) -> str:
    """What becomes of it, the question `pay`, when one version is lost."""
    after = restored(
        Document(version=3, approvals={"pay": entry}),
        Known(known, {}, told, ()),
        version=5,
        last_lost=4,
        now_ms=9,
        actor=Desk().actor,
    )
    return after.approvals["pay"].status


@pytest.mark.parametrize(
    ("entry", "unknown", "known"),
    [
        (OPEN, "withdrawn", "pending"),
        (GIVEN, "withdrawn", "withdrawn"),
        (USED, "approved", "approved"),
        (OFTEN, "pending", "pending"),
    ],
)
def test_single_uses_that_may_have_happened_are_not_given_again(
    entry: ApprovalEntry, unknown: str, known: str
) -> None:
    assert status(entry, known=False) == unknown
    assert status(entry, known=True) == known


def test_a_question_that_lost_versions_are_known_to_decide_is_withdrawn() -> None:
    assert status(OPEN, known=True, told=frozenset({"pay"})) == "withdrawn"
    assert status(OPEN, known=True, told=frozenset({"tidy"})) == "pending"
