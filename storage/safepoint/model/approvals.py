"""Approvals: what a person was asked, how it stands, and what waits for it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from safepoint.model.base import JSON, Actor
from safepoint.values import dataclass

__all__ = [
    "Approval",
    "ApprovalNeed",
    "ApprovalStatus",
    "Decided",
    "Due",
    "Requested",
    "Verdict",
]


class ApprovalStatus(StrEnum):
    """How a question stands. `expired` is a pending one whose time to answer is over."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Verdict(StrEnum):
    """What a person decides: a plain question is approved or denied; one with options or an
    answer schema is answered or denied."""

    APPROVE = "approve"
    DENY = "deny"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Approval:
    """A question to a person as it stands now.

    `digest` (SHA-256, hex) stands for all that was asked, in this asking: question, details,
    options, schema, subject. Whoever decides names the one that was looked at. `subject` is what
    is to be approved, left out (None) of lists; `subject_sha256` is of its stored JSON.
    `used_by` is what used up a `single_use` one: the name of a step.
    """

    workspace: str
    name: str
    status: ApprovalStatus
    question: str
    digest: str
    run: int
    asked_at: datetime
    asked_version: int
    asked_by: Actor
    details: str | None = None
    options: tuple[str, ...] = ()
    answer_schema: JSON = None
    subject: JSON = None
    subject_sha256: str | None = None
    single_use: bool = False
    used_by: str | None = None
    expires_at: datetime | None = None
    wake_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: Actor | None = None
    channel: str | None = None
    comment: str | None = None
    answer: JSON = None

    @property
    def given(self) -> bool:
        """Whether a person said yes or answered, used up or not."""
        return self.status in (ApprovalStatus.APPROVED, ApprovalStatus.ANSWERED)


@dataclass(frozen=True, slots=True)
class Requested:
    """The answer of `request`. `asked`: a person is asked anew by this call. `replaced` is how the
    question of this name stood that this one took the place of."""

    approval: Approval
    asked: bool
    replaced: ApprovalStatus | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that is durable; `repeated` says that the same one stood there already."""

    approval: Approval
    version: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalNeed:
    """An approval that a step waits for: its name, how it stands (`missing`, `used`, or an
    ApprovalStatus), and what to do."""

    name: str
    status: str
    advice: str


@dataclass(frozen=True, slots=True)
class Due:
    """Why somebody should take up a workspace: `kind` is step, retry, interrupted, decided,
    expired or reminder; `name` that of the step or approval; `since` when it became so."""

    kind: str
    name: str
    since: datetime
