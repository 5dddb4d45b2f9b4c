"""A workspace's approvals: questions to people, asked by programs and agents, decided by people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from safepoint.errors import InvalidInput, NotFound
from safepoint.handle import Handle
from safepoint.log.approvals import approval_of, approval_status
from safepoint.log.moments import millis
from safepoint.log.transitions import Ask, Consume, Decide, Withdraw
from safepoint.log.transitions.base import closest
from safepoint.model import (
    JSON,
    UNSET,
    Actor,
    Approval,
    ApprovalStatus,
    Decided,
    Requested,
    Unset,
    Verdict,
)

__all__ = ["Approvals"]


class Approvals:
    """Reached as `workspace.approvals`. Names are of one run: a new run starts with none.

    Who may call `decide` is for the program to settle: nothing here can tell a person from a
    program. Safepoint's own server lets no tool call it.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def request(
        self,
        name: str,
        question: str,
        *,
        details: str | None = None,
        options: Sequence[str] = (),
        answer_schema: JSON | Unset = UNSET,
        subject: JSON | Unset = UNSET,
        expires_in: timedelta | None = None,
        wake_at: datetime | None = None,
        single_use: bool = False,
    ) -> Requested:
        """Ask a person, once: a repeat with the same contents says how the question stands.

        It is approved or denied; with `options` a person picks one; with `answer_schema`, a flat
        JSON Schema, fills it in. `subject` is exactly what is to be approved. Another question,
        details, options, schema or subject take the place of what was asked under this name, and
        of its answer: a person has to answer again. So has one when it expired unanswered or was
        withdrawn. A `single_use` approval is used up by the first step that starts with it.

        Idempotent. Raises InvalidInput (`bad_schema`, `bad_options`, `bad_name`, `bad_expiry`,
        `bad_time`) or LimitExceeded.
        """
        data = await self._handle.encoded(subject)
        command = Ask(
            name=name,
            question=question,
            details=details,
            options=tuple(options),
            schema=await self._handle.encoded(answer_schema),
            subject=data,
            expires=expires_in,
            wake_ms=None if wake_at is None else millis(wake_at, "wake_at"),
            single_use=single_use,
        )
        return (await self._handle.commit(command, size=len(data or b""))).reply

    async def get(self, name: str) -> Approval:
        """The approval with its subject. Raises NotFound (`approval_not_found`)."""
        document = (await self._handle.existing()).document
        if name not in document.approvals:
            raise NotFound(
                f"there is no approval {name!r} in run {document.run} of "
                f"workspace {self._handle.name!r}",
                hint=f"{closest(name, document.approvals)}Ask with request_approval and a "
                "question; `safepoint inbox` lists what is asked.",
                code="approval_not_found",
            )
        now_ms = self._handle.now_ms()
        return approval_of(self._handle.name, document, name, now_ms, with_subject=True)

    async def list(self, status: ApprovalStatus | str | None = None) -> tuple[Approval, ...]:
        """All of this run, or those of one status, in the order of asking, without subjects."""
        if status is not None and status not in list(ApprovalStatus):
            raise InvalidInput(
                f"status must be one of {', '.join(ApprovalStatus)}", hint="Leave it out for all."
            )
        document = (await self._handle.existing()).document
        now_ms = self._handle.now_ms()
        found = [
            approval_of(self._handle.name, document, name, now_ms)
            for name, entry in document.approvals.items()
            if status in (None, approval_status(entry, now_ms))
        ]
        return tuple(sorted(found, key=lambda approval: approval.asked_version))

    async def decide(
        self,
        name: str,
        verdict: Verdict | str,
        *,
        by: Actor | None = None,
        channel: str = "library",
        comment: str | None = None,
        answer: JSON | Unset = UNSET,
        digest: str | None = None,
    ) -> Decided:
        """Record what a person decided: approve, deny, or answer with one of the options or an
        object that fits the schema. `by` is that person (the actor of this workspace unless
        given), `channel` the way it came. With `digest`, that of the approval as the person saw
        it, the decision counts only for exactly that.

        The first decision stands; the same one again by the same person changes nothing.

        Raises:
            NotFound: `approval_not_found`.
            Conflict: `already_decided` (says by whom), `approval_changed`, `approval_expired`,
                `approval_withdrawn`.
            InvalidInput: `bad_answer`, `needs_answer`, `takes_no_answer`.
        """
        if verdict not in list(Verdict):
            raise InvalidInput("a verdict is approve, deny or answer", hint="Give one of them.")
        data = await self._handle.encoded(answer)
        command = Decide(name, Verdict(verdict), data, comment, channel, digest)
        return (await self._handle.commit(command, by=by)).reply

    async def check(self, name: str, verdict: Verdict | str, answer: JSON | Unset = UNSET) -> None:
        """Whether verdict and answer fit the question, before a person is asked to confirm them.
        Records nothing. Raises NotFound and InvalidInput as `decide` does."""
        await self.get(name)
        entry = (await self._handle.existing()).document.approvals.get(name)
        data = await self._handle.encoded(answer)
        if entry is not None:
            Decide(name, Verdict(verdict), data).check_fits(entry)

    async def withdraw(self, name: str, *, reason: str | None = None) -> Decided:
        """The question, or a yes that is not used up, no longer counts; asking it again is a new
        question. Idempotent. Raises NotFound, or Conflict (`already_decided`) when it was denied
        or used up."""
        return (await self._handle.commit(Withdraw(name, reason))).reply

    async def consume(self, name: str, by: str) -> Decided:
        """Use up a single-use approval for `by`; steps that need it do so when they start.

        Idempotent for the same `by`. Raises NotFound, or Conflict (`approval_not_given`,
        `approval_used`)."""
        return (await self._handle.commit(Consume(name, by))).reply
