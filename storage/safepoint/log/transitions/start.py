"""start_step: may I run this step now? Run, skip, wait or blocked.

pending      -> run (attempt 1); blocked while steps that come before are unfinished or approvals
                are not given; wait until its time
running      -> run again for the holder of the token (renews the lease); wait for others
interrupted  -> run (next attempt), with a warning that the effect may have happened
failed       -> run (next attempt) when retryable and due, wait until then, else blocked
done, skipped-> skip, with the recorded result
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from safepoint.errors import Conflict, InvalidInput, LimitExceeded
from safepoint.format.document import Document, result_region
from safepoint.format.entries import ApprovalEntry, StepEntry
from safepoint.format.jsontext import decode_json
from safepoint.log.approvals import needed
from safepoint.log.progress import (
    FINISHED,
    idempotency_key,
    missing,
    returned_warning,
    status_of,
)
from safepoint.log.transitions.base import Context, Outcome, advance, closest, when
from safepoint.log.transitions.plan import check_step_name
from safepoint.model import ApprovalNeed, Decision, Started, StepStatus
from safepoint.values import dataclass

__all__ = ["Start"]


@dataclass(frozen=True, slots=True)
class Start:
    """`input` is a fingerprint of what the step works on, None when the caller gave none."""

    step: str
    lease: timedelta
    input: str | None = None
    fencing_token: int | None = None

    def __call__(self, document: Document, context: Context) -> Outcome[Started]:
        self._check(document, context)
        entry = document.steps.get(self.step, StepEntry())
        if None not in (entry.input, self.input) and entry.input != self.input:
            raise Conflict(
                f"step {self.step!r} was started with another input; nothing was started",
                hint="Work on other input is another step: start it under another name.",
                code="input_changed",
            )
        status = status_of(entry, context.now_ms)
        if entry.status in FINISHED:
            return self._skip(document, context, entry)
        if self.fencing_token is not None:
            return self._renew(document, context, entry)
        if status is StepStatus.RUNNING:
            return self._wait(document, context, entry)
        if needs := missing(document, entry):
            return self._blocked(document, context, entry, needs)
        if status is StepStatus.FAILED and not entry.retryable:
            return self._blocked(document, context, entry, ())
        if approvals := tuple(needed(document, self.step, entry, context.now_ms)):
            return self._unapproved(document, context, entry, approvals)
        later = {StepStatus.FAILED: entry.retry_ms, StepStatus.PENDING: entry.wake_ms}
        if (later.get(status) or 0) > context.now_ms:
            return self._wait(document, context, entry)
        return self._run(document, context, entry)

    def _check(self, document: Document, context: Context) -> None:
        limits = context.limits
        if not limits.lease_min <= self.lease <= limits.lease_max:
            raise InvalidInput(
                f"a lease lasts {limits.lease_min.total_seconds():g} seconds to "
                f"{limits.lease_max.total_seconds():g} seconds",
                hint="Take a short lease and renew it by calling start_step with its token.",
                code="bad_lease",
            )
        if self.step not in document.steps:
            check_step_name(self.step, limits)
            if len(document.steps) >= limits.steps:
                raise LimitExceeded(
                    f"the run has {len(document.steps):,} steps, which is the limit",
                    hint="Split the work over several workspaces.",
                )

    def _reply(self, document: Document, context: Context, entry: StepEntry) -> Started:
        return Started(
            workspace=context.workspace,
            step=self.step,
            decision=Decision.RUN,
            version=document.version,
            run=document.run,
            attempt=entry.attempts,
            advice="",
            idempotency_key=idempotency_key(context.workspace, document.run, self.step),
            in_doubt=entry.doubt or bool(returned_warning(document, self.step)),
            error=entry.error,
        )

    def _skip(self, document: Document, context: Context, entry: StepEntry) -> Outcome[Started]:
        stored = document.regions.get(result_region(self.step))
        reply = replace(
            self._reply(document, context, entry),
            decision=Decision.SKIP,
            status=StepStatus(entry.status),
            result=None if stored is None else decode_json(stored),
            advice=f"This step is {entry.status}. Do not run it again; use its result and go on.",
        )
        return Outcome(reply)

    def _wait(self, document: Document, context: Context, entry: StepEntry) -> Outcome[Started]:
        until, advice = {
            "failed": (
                entry.retry_ms,
                "This step failed and is to be tried again later: call start_step at wait_until.",
            ),
            "pending": (
                entry.wake_ms,
                "This step is planned for later: do other work, or stop and call start_step at "
                "wait_until.",
            ),
            "running": (
                entry.lease_ms,
                "Another holder is working on this step. Do not run it. Do something else, "
                "or call start_step again at wait_until: it may be finished or free by then.",
            ),
        }[entry.status]
        reply = replace(
            self._reply(document, context, entry),
            decision=Decision.WAIT,
            wait_until=when(until or 0),
            holder=entry.holder if entry.status == "running" else None,
            advice=advice,
        )
        return Outcome(reply)

    def _blocked(
        self, document: Document, context: Context, entry: StepEntry, needs: tuple[str, ...]
    ) -> Outcome[Started]:
        approvals = tuple(needed(document, self.step, entry, context.now_ms)) if needs else ()
        unasked = ", ".join(need.name for need in approvals if need.status == "missing")
        ask = f" Meanwhile ask, by request_approval, for what it needs: {unasked}."
        reply = replace(
            self._reply(document, context, entry),
            decision=Decision.BLOCKED,
            needs=needs,
            approvals=approvals,
            advice=(
                f"Finish the steps in `needs` first.{ask if unasked else ''}"
                if needs
                else "This step failed and was marked as not retryable. If the cause is mended, "
                "mark it failed again with retryable=true, or done or skipped; or plan another."
            ),
        )
        return Outcome(reply)

    def _unapproved(
        self,
        document: Document,
        context: Context,
        entry: StepEntry,
        approvals: tuple[ApprovalNeed, ...],
    ) -> Outcome[Started]:
        told = " ".join(f"{need.name}: {need.advice}" for need in approvals[:3])
        reply = replace(
            self._reply(document, context, entry),
            decision=Decision.BLOCKED,
            approvals=approvals,
            advice=f"A person has to approve this step first. {told}",
        )
        return Outcome(reply)

    def _renew(self, document: Document, context: Context, entry: StepEntry) -> Outcome[Started]:
        if entry.status != "running" or entry.token != self.fencing_token:
            raise Conflict(
                f"fencing token {self.fencing_token} does not hold step {self.step!r} any more",
                hint="Stop working on it: another attempt took over. Call start_step without a "
                "token to learn how the step stands.",
                code="stale_token",
            )
        return self._grant(document, context, entry, "renew", "The lease is renewed. Go on.")

    def _run(self, document: Document, context: Context, entry: StepEntry) -> Outcome[Started]:
        advice = "Run the step now, then call mark_step_done with this fencing_token."
        doubt = entry.doubt or entry.status == "running"
        if returned := returned_warning(document, self.step):
            failed = f" Attempt {entry.attempts} failed: {entry.error}." if entry.error else ""
            advice = f"{returned}{failed} {advice}"
        elif entry.status == "running":
            advice = (
                f"Attempt {entry.attempts} never reported: its effect may have happened. Pass the "
                "idempotency_key to the outside system, or check there before repeating it. "
                + advice
            )
        elif self.step not in document.steps and document.steps:
            meant = closest(self.step, document.steps)
            advice = f"It was not in the plan and was added at its end. {meant}{advice}"
        elif entry.attempts:
            reason = entry.error or "no reason given"
            advice = f"Attempt {entry.attempts} failed: {reason}. {advice}"
            if doubt:
                advice = (
                    "An attempt before the last never reported: its effect may have happened. "
                    "Pass the idempotency_key on, or check outside before repeating it. " + advice
                )
        new = replace(
            entry,
            status="running",
            attempts=entry.attempts + 1,
            token=context.version,
            started_ms=context.now_ms,
            input=entry.input or self.input,
            doubt=doubt,
        )
        document = document.changed(approvals=self._used(document, context, entry))
        return self._grant(document, context, new, "start", advice)

    def _used(
        self, document: Document, context: Context, entry: StepEntry
    ) -> Mapping[str, ApprovalEntry]:
        """The approvals, those for a single use used up by this step."""
        unused = {
            name: replace(approval, used_by=self.step, used_version=context.version)
            for name in entry.needs
            if (approval := document.approvals[name]).single_use and approval.used_by is None
        }
        return {**document.approvals, **unused} if unused else document.approvals

    def _grant(
        self, document: Document, context: Context, entry: StepEntry, kind: str, advice: str
    ) -> Outcome[Started]:
        until = context.now_ms + self.lease // timedelta(milliseconds=1)
        entry = replace(entry, lease_ms=until, holder=context.actor)
        new = advance(document, context, steps={**document.steps, self.step: entry})
        reply = replace(
            self._reply(new, context, entry),
            advice=advice,
            fencing_token=entry.token,
            lease_until=when(until),
        )
        event = {"kind": kind, "step": self.step, "attempt": entry.attempts}
        return Outcome(reply, new, event)
