"""What follows from a document's approvals at a moment: status, digest, what a step still needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from safepoint.format.document import Document, approval_region
from safepoint.format.entries import ApprovalEntry, StepEntry
from safepoint.format.jsontext import decode_json
from safepoint.log.moments import when
from safepoint.model import Actor, Approval, ApprovalNeed, ApprovalStatus

__all__ = [
    "approval_of",
    "approval_status",
    "digest_of",
    "is_open",
    "lacking",
    "needed",
    "satisfies",
]

GIVEN = frozenset({"approved", "answered"})
_UNKNOWN = Actor("unknown")


def approval_status(entry: ApprovalEntry, now_ms: int) -> ApprovalStatus:
    """The status at `now_ms`: a pending question whose time is over has expired."""
    if entry.status == "pending" and entry.expires_ms is not None and entry.expires_ms <= now_ms:
        return ApprovalStatus.EXPIRED
    return ApprovalStatus(entry.status)


def is_open(entry: ApprovalEntry, now_ms: int) -> bool:
    return approval_status(entry, now_ms) is ApprovalStatus.PENDING


def digest_of(workspace: str, run: int, name: str, entry: ApprovalEntry) -> str:
    """SHA-256 of what a person is asked, and of which asking it is: a question that was asked
    again has another digest, so that no decision on an earlier asking fits it."""
    asked = [
        "safepoint approval 1",
        *(workspace, run, name, entry.asked_version, entry.asked_ms),
        *(entry.question, entry.details, entry.options, entry.schema),
        *(entry.subject, entry.single_use),
    ]
    return hashlib.sha256(json.dumps(asked, separators=(",", ":")).encode()).hexdigest()


def satisfies(entry: ApprovalEntry, step: str) -> bool:
    """Whether `step` may start with it: it was given, and nothing else has used it up."""
    return entry.status in GIVEN and (not entry.single_use or entry.used_by in (None, step))


def lacking(document: Document, step: str, entry: StepEntry) -> tuple[str, ...]:
    """The names of approvals that the step needs and does not have."""
    if not entry.needs:
        return ()
    approvals = document.approvals
    return tuple(n for n in entry.needs if n not in approvals or not satisfies(approvals[n], step))


def needed(document: Document, step: str, entry: StepEntry, now_ms: int) -> Iterator[ApprovalNeed]:
    """The same, with how each stands and what to do about it."""
    for name in lacking(document, step, entry):
        approval = document.approvals.get(name)
        if approval is None:
            yield ApprovalNeed(name, "missing", "Nobody was asked: call request_approval.")
        else:
            yield _need(name, approval, now_ms)


def _need(name: str, entry: ApprovalEntry, now_ms: int) -> ApprovalNeed:
    status = approval_status(entry, now_ms)
    if entry.status in GIVEN:
        return ApprovalNeed(
            name,
            "used",
            f"It was for one use, and {entry.used_by!r} used it: ask for this step with "
            "request_approval, with another question.",
        )
    if status is ApprovalStatus.DENIED:
        who = (entry.decided_by or _UNKNOWN).name
        said = f": {entry.comment}" if entry.comment else ""
        return ApprovalNeed(
            name,
            status,
            f"{who} denied it on {_at(entry.decided_ms)}{said}. Do not do it. Change what you "
            "intend and ask about that, or skip the step.",
        )
    if status is ApprovalStatus.EXPIRED:
        since = _at(entry.expires_ms)
        return ApprovalNeed(
            name, status, f"Nobody answered by {since}: call request_approval again."
        )
    if status is ApprovalStatus.WITHDRAWN:
        return ApprovalNeed(name, status, "The question was withdrawn: call request_approval.")
    return ApprovalNeed(
        name,
        status,
        f"A person was asked on {_at(entry.asked_ms)} and has not answered. Do other work, or "
        "stop and come back.",
    )


def approval_of(
    workspace: str, document: Document, name: str, now_ms: int, *, with_subject: bool = False
) -> Approval:
    """The entry of this name as a value, its subject only where that is asked for."""
    entry = document.approvals[name]
    stored = document.regions.get(approval_region(name)) if with_subject else None
    return Approval(
        workspace=workspace,
        name=name,
        status=approval_status(entry, now_ms),
        question=entry.question,
        digest=digest_of(workspace, document.run, name, entry),
        run=document.run,
        asked_at=when(entry.asked_ms),
        asked_version=entry.asked_version,
        asked_by=entry.asked_by or _UNKNOWN,
        details=entry.details,
        options=entry.options,
        answer_schema=None if entry.schema is None else decode_json(entry.schema.encode()),
        subject=None if stored is None else decode_json(stored),
        subject_sha256=entry.subject,
        single_use=entry.single_use,
        used_by=entry.used_by,
        expires_at=None if entry.expires_ms is None else when(entry.expires_ms),
        wake_at=None if entry.wake_ms is None else when(entry.wake_ms),
        decided_at=None if entry.decided_ms is None else when(entry.decided_ms),
        decided_by=entry.decided_by,
        channel=entry.channel,
        comment=entry.comment,
        answer=None if entry.answer is None else decode_json(entry.answer.encode()),
    )


def _at(at_ms: int | None) -> str:
    return f"{when(at_ms or 0):%Y-%m-%d %H:%M} UTC"
