"""What becomes of a question: approved, denied or answered once by a person, withdrawn, used up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from safepoint.errors import Conflict, InvalidInput, NotFound
from safepoint.format.document import Document
from safepoint.format.entries import ApprovalEntry
from safepoint.format.jsontext import decode_json
from safepoint.log.answers import check_answer
from safepoint.log.approvals import GIVEN, approval_of, approval_status, digest_of
from safepoint.log.moments import when
from safepoint.log.transitions.base import (
    Context,
    Outcome,
    advance,
    check_text,
    closest,
    upkeep,
)
from safepoint.model import ApprovalStatus, Decided, Verdict
from safepoint.values import dataclass

__all__ = ["Consume", "Decide", "Withdraw"]

_BECOMES = {
    Verdict.APPROVE: "approved",
    Verdict.DENY: "denied",
    Verdict.ANSWER: "answered",
}


@dataclass(frozen=True, slots=True)
class Decide:
    """The person is the actor of the commit. `digest` is that of the approval as it was looked at.
    `answer` is JSON bytes: one of the options as text, or an object that fits the schema.

    The first decision stands. The same one again by the same person answers what was recorded.
    """

    name: str
    verdict: Verdict
    answer: bytes | None = None
    comment: str | None = None
    channel: str = ""
    digest: str | None = None

    def __call__(self, document: Document, context: Context) -> Outcome[Decided]:
        check_text(self.comment, "comment", limit=context.limits.summary_bytes)
        check_text(self.channel, "channel", limit=context.limits.label_chars, unit="characters")
        entry = _found(document, self.name)
        if self.digest not in (None, _digest(document, context, self.name, entry)):
            raise Conflict(
                f"approval {self.name!r} was changed since it was looked at (it was asked anew in "
                f"version {entry.asked_version}); nothing was decided",
                hint="Look at it again, and decide on what it asks now.",
                code="approval_changed",
            )
        if self._repeats(entry, context):
            return Outcome(_repeated(document, context, self.name, entry.decided_version))
        _check_open(self.name, entry, context)
        self.check_fits(entry)
        entry = replace(
            entry,
            status=_BECOMES[self.verdict],
            decided_ms=context.now_ms,
            decided_version=context.version,
            decided_by=context.actor,
            channel=self.channel or None,
            comment=self.comment or None,
            answer=None if self.answer is None else self.answer.decode(),
        )
        event = {"kind": self.verdict.value, "approval": self.name, "channel": self.channel or None}
        return _changed(document, context, self.name, entry, event, **upkeep(document))

    def _repeats(self, entry: ApprovalEntry, context: Context) -> bool:
        by = entry.decided_by
        return (
            entry.status == _BECOMES[self.verdict]
            and by is not None
            and (by.name, by.host) == (context.actor.name, context.actor.host)
            and entry.channel == (self.channel or None)
            and entry.comment == (self.comment or None)
            and entry.answer == (None if self.answer is None else self.answer.decode())
        )

    def check_fits(self, entry: ApprovalEntry) -> None:
        """Raises InvalidInput unless verdict and answer are of the kind that is asked for."""
        asks = bool(entry.options) or entry.schema is not None
        if self.verdict is not Verdict.ANSWER:
            if self.answer is not None:
                raise InvalidInput(
                    f"to {self.verdict} takes no answer", hint="Say more in the comment."
                )
            if asks and self.verdict is Verdict.APPROVE:
                raise InvalidInput(
                    f"approval {self.name!r} asks for an answer; a bare yes does not fit",
                    hint=f"Answer it{_choices(entry)}, or deny it.",
                    code="needs_answer",
                )
            return
        if not asks or self.answer is None:
            raise InvalidInput(
                f"approval {self.name!r} is approved or denied, and takes no answer"
                if not asks
                else "there is no answer",
                hint="Approve or deny it, with a comment." if not asks else "Give one.",
                code="takes_no_answer" if not asks else "needs_answer",
            )
        answer = decode_json(self.answer)
        if entry.schema is not None:
            check_answer(decode_json(entry.schema.encode()), answer)  # type: ignore[arg-type]
        elif answer not in entry.options:
            raise InvalidInput(
                "the answer is not one of the options",
                hint=f"Answer it{_choices(entry)}. Nothing was decided.",
                code="bad_answer",
            )


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The question, or the yes to it while it is not used up, no longer counts."""

    name: str
    reason: str | None = None

    def __call__(self, document: Document, context: Context) -> Outcome[Decided]:
        check_text(self.reason, "reason", limit=context.limits.summary_bytes)
        entry = _found(document, self.name)
        if entry.status == "withdrawn":
            return Outcome(_repeated(document, context, self.name, entry.decided_version))
        if entry.status == "denied" or entry.used_by is not None:
            how = "was denied" if entry.status == "denied" else f"was used by {entry.used_by!r}"
            raise Conflict(
                f"approval {self.name!r} {how} and cannot be withdrawn",
                hint="Ask about what is intended now, with another question.",
                code="already_decided",
            )
        entry = replace(
            entry,
            status="withdrawn",
            decided_ms=context.now_ms,
            decided_version=context.version,
            decided_by=context.actor,
            channel=None,
            comment=self.reason or None,
            answer=None,
        )
        event = {"kind": "withdraw", "approval": self.name}
        return _changed(document, context, self.name, entry, event)


@dataclass(frozen=True, slots=True)
class Consume:
    """Use up a single-use approval for `by`. For the same `by` again, and for one that may be used
    any number of times, nothing changes."""

    name: str
    by: str

    def __call__(self, document: Document, context: Context) -> Outcome[Decided]:
        check_text(self.by, "user of the approval", limit=context.limits.label_chars)
        entry = _found(document, self.name)
        if entry.status not in GIVEN:
            raise Conflict(
                f"approval {self.name!r} is {approval_status(entry, context.now_ms)}: there is no "
                "yes to use",
                hint="Wait for the answer.",
                code="approval_not_given",
            )
        if not entry.single_use or entry.used_by == self.by:
            return Outcome(_repeated(document, context, self.name, entry.used_version))
        if entry.used_by is not None:
            raise Conflict(
                f"approval {self.name!r} was for one use, and {entry.used_by!r} used it",
                hint="Ask again, with a question that says what it is for.",
                code="approval_used",
            )
        entry = replace(entry, used_by=self.by, used_version=context.version)
        event = {"kind": "use", "approval": self.name}
        return _changed(document, context, self.name, entry, event)


def _found(document: Document, name: str) -> ApprovalEntry:
    entry = document.approvals.get(name)
    if entry is None:
        raise NotFound(
            f"there is no approval {name!r} in this run",
            hint=f"{closest(name, document.approvals)}`safepoint inbox` shows the open ones.",
            code="approval_not_found",
        )
    return entry


def _check_open(name: str, entry: ApprovalEntry, context: Context) -> None:
    status = approval_status(entry, context.now_ms)
    if status is ApprovalStatus.PENDING:
        return
    if status is ApprovalStatus.EXPIRED:
        raise Conflict(
            f"approval {name!r} expired on {when(entry.expires_ms or 0):%Y-%m-%d %H:%M:%S} UTC; "
            "nothing was decided",
            hint="Whoever asked has to ask again.",
            code="approval_expired",
        )
    by = entry.decided_by.name if entry.decided_by is not None else "somebody"
    at = f"{when(entry.decided_ms or 0):%Y-%m-%d %H:%M:%S} UTC"
    if status is ApprovalStatus.WITHDRAWN:
        raise Conflict(
            f"approval {name!r} was withdrawn by {by} on {at}; nothing was decided",
            hint="There is nothing to decide.",
            code="approval_withdrawn",
        )
    how = f" ({entry.channel})" if entry.channel else ""
    raise Conflict(
        f"approval {name!r} was {status} by {by}{how} on {at}; nothing was changed",
        hint="The first decision stands. A new question can be asked.",
        code="already_decided",
    )


def _choices(entry: ApprovalEntry) -> str:
    if entry.options:
        return f" with one of {', '.join(map(repr, entry.options))}"
    return " with the properties of its answer schema"


def _digest(document: Document, context: Context, name: str, entry: ApprovalEntry) -> str:
    return digest_of(context.workspace, document.run, name, entry)


def _changed(
    document: Document,
    context: Context,
    name: str,
    entry: ApprovalEntry,
    event: dict[str, Any],
    **changes: int,
) -> Outcome[Decided]:
    approvals = {**document.approvals, name: entry}
    new = advance(document, context, approvals=approvals, **changes)
    approval = approval_of(context.workspace, new, name, context.now_ms)
    return Outcome(Decided(approval, new.version), new, event)


def _repeated(document: Document, context: Context, name: str, version: int | None) -> Decided:
    approval = approval_of(context.workspace, document, name, context.now_ms)
    return Decided(approval, version or document.version, repeated=True)
