"""request_approval: ask a person once, and say how the question stands whenever it is repeated.

no such question, withdrawn, expired  -> asked anew
same content                          -> nothing changes: pending, approved, denied, answered, used
other content                         -> the old question and its answer give way to the new one
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from safepoint.errors import InvalidInput, LimitExceeded
from safepoint.format.document import Document, approval_region
from safepoint.format.entries import ApprovalEntry
from safepoint.format.jsontext import decode_json
from safepoint.log.answers import check_schema
from safepoint.log.approvals import approval_of, approval_status
from safepoint.log.transitions.base import Context, Outcome, advance, check_text
from safepoint.model import ApprovalStatus, Requested
from safepoint.values import dataclass

__all__ = ["Ask", "check_approval_name"]

SCHEMA_BYTES = 16 * 1024
MAX_OPTIONS = 50
_LONGEST = timedelta(days=366)
_OVER = (ApprovalStatus.WITHDRAWN, ApprovalStatus.EXPIRED)


@dataclass(frozen=True, slots=True)
class Ask:
    """`schema` and `subject` are JSON bytes. A repeat changes nothing, not even when it expires."""

    name: str
    question: str
    details: str | None = None
    options: tuple[str, ...] = ()
    schema: bytes | None = None
    subject: bytes | None = None
    expires: timedelta | None = None
    wake_ms: int | None = None
    single_use: bool = False

    def __call__(self, document: Document, context: Context) -> Outcome[Requested]:
        self._check(document, context)
        present = document.approvals.get(self.name)
        asked = self._entry(context)
        replaced: ApprovalStatus | None = None
        if present is not None:
            replaced = approval_status(present, context.now_ms)
            if _content(present) == _content(asked) and replaced not in _OVER:
                return Outcome(self._reply(document, context, asked=False))
        region = approval_region(self.name)
        regions = {name: data for name, data in document.regions.items() if name != region}
        if self.subject is not None:
            regions[region] = self.subject
        approvals = {**document.approvals, self.name: asked}
        new = advance(document, context, approvals=approvals, regions=regions)
        event = {"kind": "ask", "approval": self.name, "replaces": replaced and replaced.value}
        return Outcome(self._reply(new, context, asked=True, replaced=replaced), new, event)

    def _entry(self, context: Context) -> ApprovalEntry:
        expires_ms = None
        if self.expires is not None:
            expires_ms = context.now_ms + self.expires // timedelta(milliseconds=1)
        return ApprovalEntry(
            question=self.question,
            details=self.details or None,
            options=self.options,
            schema=None if self.schema is None else self.schema.decode(),
            subject=None if self.subject is None else hashlib.sha256(self.subject).hexdigest(),
            single_use=self.single_use,
            asked_ms=context.now_ms,
            asked_version=context.version,
            asked_by=context.actor,
            expires_ms=expires_ms,
            wake_ms=self.wake_ms,
        )

    def _reply(
        self,
        document: Document,
        context: Context,
        *,
        asked: bool,
        replaced: ApprovalStatus | None = None,
    ) -> Requested:
        approval = approval_of(context.workspace, document, self.name, context.now_ms)
        return Requested(approval, asked, replaced)

    def _check(self, document: Document, context: Context) -> None:
        limits = context.limits
        check_approval_name(self.name, limit=limits.step_chars)
        check_text(self.question, "question", limit=limits.summary_bytes)
        check_text(self.details, "details", limit=limits.summary_bytes)
        if not self.question.strip():
            raise InvalidInput("the question is empty", hint="Ask in one clear sentence.")
        if self.options and self.schema is not None:
            raise InvalidInput(
                "options and answer_schema exclude each other",
                hint="A person picks one of the options, or fills in the schema.",
            )
        self._check_options(limits.label_chars)
        if self.schema is not None:
            _check_size(self.schema, "answer_schema", SCHEMA_BYTES)
            check_schema(decode_json(self.schema))
        if self.subject is not None:
            _check_size(self.subject, "subject", limits.result_bytes)
        if self.expires is not None and not timedelta(seconds=1) <= self.expires <= _LONGEST:
            raise InvalidInput(
                f"a question stays open for 1 second to {_LONGEST.days} days",
                hint="Leave it out to let it stay open until it is answered.",
                code="bad_expiry",
            )
        if self.name not in document.approvals and len(document.approvals) >= limits.approvals:
            raise LimitExceeded(
                f"the run has {len(document.approvals):,} approvals, which is the limit",
                hint="Ask one question about several things, or start a new run.",
            )

    def _check_options(self, limit: int) -> None:
        for option in self.options:
            check_text(option, "option", limit=limit, unit="characters")
        wrong = [o for o in self.options if not o.strip() or not o.isprintable()]
        if wrong or len(set(self.options)) < len(self.options) or len(self.options) > MAX_OPTIONS:
            raise InvalidInput(
                f"options are up to {MAX_OPTIONS} different texts of one line",
                hint='Give them as in ["keep", "delete"].',
                code="bad_options",
            )


def check_approval_name(name: str, *, limit: int) -> None:
    """Raises InvalidInput for a name that is empty, too long or not printable text."""
    check_text(name, "approval name", limit=limit, unit="characters")
    if not name or not name.isprintable() or name != name.strip():
        raise InvalidInput(
            "an approval name must be printable text without spaces at its ends, and not empty",
            hint="Use a short name such as 'send-invoices'.",
            code="bad_name",
        )


def _content(entry: ApprovalEntry) -> tuple[object, ...]:
    """What an answer is bound to. Objects are the same in any order of their keys, but for the
    subject, of which a person may know the digest."""
    schema = None if entry.schema is None else decode_json(entry.schema.encode())
    return (
        *(entry.question, entry.details, entry.options, schema),
        *(entry.subject, entry.single_use),
    )


def _check_size(data: bytes, what: str, limit: int) -> None:
    if len(data) > limit:
        raise LimitExceeded(
            f"the {what} has {len(data):,} bytes; the limit is {limit:,}",
            hint=f"Shorten the {what}: name what is large, with its digest, instead of holding it.",
        )
