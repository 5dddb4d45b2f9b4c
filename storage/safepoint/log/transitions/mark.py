"""mark_step_done: record that a step is done, failed or skipped, once, with its result."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from safepoint.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from safepoint.format.document import Document, result_region
from safepoint.format.entries import StepEntry
from safepoint.log.approvals import lacking
from safepoint.log.progress import FINISHED, next_step, progress
from safepoint.log.transitions.base import (
    NO_CHANGE,
    Context,
    Outcome,
    StateChange,
    advance,
    check_text,
    checkpoint,
    closest,
    fingerprint,
    when,
)
from safepoint.model import Marked, StepStatus
from safepoint.values import dataclass

__all__ = ["Mark"]

_MARKS = ("done", "failed", "skipped")
_RETRY_MAX = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Mark:
    """`result` is JSON bytes. The new state, when given, is saved in the same commit.

    Repeating it answers what was recorded; recording something else is refused.
    """

    step: str
    status: str = "done"
    result: bytes | None = None
    error: str | None = None
    retryable: bool | None = None
    retry_after: timedelta | None = None
    fencing_token: int | None = None
    change: StateChange = NO_CHANGE
    summary: str | None = None

    def __call__(self, document: Document, context: Context) -> Outcome[Marked]:
        self._check(context)
        entry = document.steps.get(self.step)
        if entry is None:
            raise NotFound(
                f"there is no step {self.step!r} in this run; nothing was recorded",
                hint=f"{closest(self.step, document.steps)}Declare it with plan_steps, or call "
                "start_step before the work.",
                code="step_not_found",
            )
        mark = self._fingerprint()
        if entry.mark == mark and entry.status == self.status:
            return Outcome(self._reply(document, context, entry, repeated=True))
        self._check_holder(entry, context)
        self._check_approvals(document, entry)
        failed = self.status == "failed"
        retry = failed and self.retryable is not False
        delay = self.retry_after or timedelta()
        retry_ms = context.now_ms + delay // timedelta(milliseconds=1)
        entry = replace(
            entry,
            status=self.status,
            finished_ms=context.now_ms,
            finished_version=context.version,
            lease_ms=None,
            holder=context.actor,
            error=self.error,
            retryable=retry if failed else None,
            retry_ms=retry_ms if retry and self.retry_after else None,
            summary=self.summary,
            mark=mark,
        )
        new = advance(document, context, steps={**document.steps, self.step: entry})
        new = new.changed(regions=self._regions(new), summary=self.summary or new.summary)
        if self.change.given:
            new = self.change.apply(new, context.limits)
            new, _ = checkpoint(
                new, context, kind="step", label=None, summary=self.summary, step=self.step
            )
        event = {"kind": self.status, "step": self.step, "attempt": entry.attempts}
        if self.change.given:
            event["state_bytes"] = len(new.state or b"")
        return Outcome(self._reply(new, context, entry, repeated=False), new, event)

    def _check(self, context: Context) -> None:
        if self.status not in _MARKS:
            raise InvalidInput("status must be 'done', 'failed' or 'skipped'", hint="See above.")
        if self.error is not None and self.status == "done":
            raise InvalidInput(
                "a step that is done has no error",
                hint='Use status="failed" with the error, or leave the error out.',
            )
        if (self.retryable is not None or self.retry_after) and self.status != "failed":
            raise InvalidInput(
                "only a failed step can be retryable", hint='Use status="failed", or leave it out.'
            )
        if not timedelta() <= (self.retry_after or timedelta()) <= _RETRY_MAX:
            raise InvalidInput(
                f"retry_after must be 0 seconds to {_RETRY_MAX.days} days",
                hint="Leave it out to allow a retry at once.",
                code="bad_retry",
            )
        check_text(self.summary, "summary", limit=context.limits.summary_bytes)
        check_text(self.error, "error", limit=context.limits.summary_bytes)
        if len(self.result or b"") > context.limits.result_bytes:
            raise LimitExceeded(
                f"the result has {len(self.result or b''):,} bytes; the limit is "
                f"{context.limits.result_bytes:,}",
                hint="Record a short result, and keep the rest in the state or as an artifact.",
            )

    def _check_holder(self, entry: StepEntry, context: Context) -> None:
        """Raises Conflict unless the caller may report on this step."""
        if entry.status in FINISHED:
            raise Conflict(
                f"step {self.step!r} was recorded as {entry.status} in version "
                f"{entry.finished_version}, with other contents; nothing was changed or saved",
                hint="A finished step keeps its result. Save new state with save_checkpoint; "
                "new work is a new step.",
                code="already_recorded",
            )
        if self.fencing_token is not None and self.fencing_token != entry.token:
            raise Conflict(
                f"fencing token {self.fencing_token} does not hold step {self.step!r}"
                f"{' any more' if entry.attempts else ', which was never started'}; nothing was "
                "recorded",
                hint="Another attempt took over. Call start_step without a token to learn how "
                "the step stands."
                if entry.attempts
                else "Call start_step first: it says whether to run it, and gives the token.",
                code="stale_token",
            )
        leased = entry.status == "running" and (entry.lease_ms or 0) > context.now_ms
        if leased and self.fencing_token is None:
            raise Conflict(
                f"step {self.step!r} is leased until {when(entry.lease_ms or 0):%H:%M:%S} UTC; "
                "nothing was recorded",
                hint="Pass the fencing_token that start_step gave you. If you have none, another "
                "holder is working on it: call start_step to learn when it is free.",
                code="token_required",
            )

    def _check_approvals(self, document: Document, entry: StepEntry) -> None:
        """A step that was never allowed to start is not done: later ones rely on that."""
        if self.status != "done" or entry.attempts:
            return
        if names := lacking(document, self.step, entry):
            raise Conflict(
                f"step {self.step!r} needs the approval of a person ({', '.join(names)}) and was "
                "never started; nothing was recorded",
                hint="Call start_step: it says how the approval stands. A step that is not to be "
                "done is marked skipped.",
                code="approval_needed",
            )

    def _regions(self, document: Document) -> dict[str, bytes]:
        name = result_region(self.step)
        regions = {n: data for n, data in document.regions.items() if n != name}
        if self.result is not None:
            regions[name] = self.result
        return regions

    def _fingerprint(self) -> str:
        return fingerprint(
            self.result or b"",
            self.change.whole or b"",
            self.change.patch or b"",
            (self.status, self.error, self.retryable, self.retry_after, self.summary),
        )

    def _reply(
        self, document: Document, context: Context, entry: StepEntry, *, repeated: bool
    ) -> Marked:
        return Marked(
            workspace=context.workspace,
            step=self.step,
            status=StepStatus(entry.status),
            version=entry.finished_version or document.version,
            run=document.run,
            attempt=entry.attempts,
            finished_at=when(entry.finished_ms or 0),
            repeated=repeated,
            state_saved=self.change.given,
            next_step=next_step(document, context.now_ms),
            progress=progress(document, context.now_ms),
            retry_at=None if entry.retry_ms is None else when(entry.retry_ms),
        )
