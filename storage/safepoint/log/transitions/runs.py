"""start_new_run: steps, approvals and their keys begin afresh; the state that matters goes on."""

from __future__ import annotations

from typing import Any

from safepoint.errors import Conflict, InvalidInput
from safepoint.format.document import STATE, Document, approval_region, result_region
from safepoint.format.entries import RunEntry
from safepoint.format.jsontext import decode_json, encode_json
from safepoint.log.progress import FINISHED, status_of
from safepoint.log.transitions.base import (
    NO_CHANGE,
    Context,
    Outcome,
    StateChange,
    advance,
    check_exists,
    check_text,
    checkpoint,
    closest,
    when,
)
from safepoint.log.transitions.stepback import effects, in_doubt
from safepoint.model import NewRun, PastEffect, StepStatus
from safepoint.values import dataclass

__all__ = ["StartNewRun"]

KEPT_RUNS = 256
_OF_A_RUN = (result_region(""), approval_region(""))
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class StartNewRun:
    """`carry` names the top-level keys of the state that go on, None all of it; `change` gives
    another state instead.

    With `run`, only that run is ended, once, however often the call is repeated. A run in which
    nothing happened yet and whose state would stay the same is not ended either.
    """

    carry: tuple[str, ...] | None = None
    change: StateChange = NO_CHANGE
    reason: str | None = None
    run: int | None = None
    even_if_running: bool = False

    def __call__(self, document: Document, context: Context) -> Outcome[NewRun]:
        check_text(self.reason, "reason", limit=context.limits.summary_bytes // 2)
        check_exists(document, context)
        if self.run is not None and self.run != document.run:
            return self._ended(document, context, self.run)
        carried = self._carried(document, context)
        begun = document.run > 1 and document.version == document.run_first
        if begun and carried.state == document.state:
            return Outcome(_reply(document, context, (), repeated=True))
        self._check_running(document, context)
        told = f"run {document.run + 1} began"
        kept = self.carry is None and not self.change.given
        latest = document.latest
        new, entry = checkpoint(
            _fresh(carried, document, context, self.reason),
            context,
            kind="step",
            label=latest.label if latest and kept else None,
            summary=f"{told}: {self.reason}" if self.reason else told,
            step=None,
        )
        doubtful = effects(context.workspace, document, in_doubt(document), {}, context.now_ms)
        event = {"kind": "new_run", "run": new.run, "reason": self.reason}
        reply = _reply(new, context, doubtful, repeated=False)
        return Outcome(reply, new, {**event, "state_bytes": entry.size})

    def _ended(self, document: Document, context: Context, run: int) -> Outcome[NewRun]:
        """The reply of the call that ended `run`, when the run after it is the present one."""
        if run + 1 == document.run:
            return Outcome(_reply(document, context, (), repeated=True))
        raise Conflict(
            f"run {run} was to be ended, but the workspace is in run {document.run}",
            hint="Load it again; it says in which run it is.",
            code="other_run",
        )

    def _carried(self, document: Document, context: Context) -> Document:
        """The document with the state that the new run begins with."""
        if self.change.given:
            return self.change.apply(document, context.limits)
        if self.carry is None or document.state is None:
            return document
        if not self.carry:
            regions = {name: data for name, data in document.regions.items() if name != STATE}
            return document.changed(regions=regions, state_sha256="", references=())
        state: Any = decode_json(document.state)
        if not isinstance(state, dict):
            raise InvalidInput(
                "the state is not an object, so it has no keys to carry on",
                hint="Carry all of it, nothing, or give the new state.",
                code="unknown_key",
            )
        for key in self.carry:
            if key not in state:
                raise InvalidInput(
                    f"the state has no key {key[:100]!r} to carry on; no run was begun",
                    hint=f"{closest(key, state)}Name top-level keys of the state.",
                    code="unknown_key",
                )
        chosen = {key: value for key, value in state.items() if key in self.carry}
        text = encode_json(chosen, max_depth=context.limits.depth)
        return StateChange(whole=text).apply(document, context.limits)

    def _check_running(self, document: Document, context: Context) -> None:
        if self.even_if_running:
            return
        running = [
            (name, entry)
            for name, entry in document.steps.items()
            if status_of(entry, context.now_ms) is StepStatus.RUNNING
        ]
        if running:
            told = ", ".join(
                f"{name!r} (until {when(entry.lease_ms or 0):%H:%M:%S} UTC, by "
                f"{entry.holder.name if entry.holder else 'unknown'})"
                for name, entry in running[:_SHOWN]
            )
            more = f" and {len(running) - _SHOWN} more" if len(running) > _SHOWN else ""
            raise Conflict(
                f"somebody is working on {told}{more}; no run was begun",
                hint="Let them finish and mark, or wait until the lease ends. even_if_running "
                "cuts them off: their fencing tokens are refused then.",
                code="steps_running",
            )


def _fresh(carried: Document, document: Document, context: Context, reason: str | None) -> Document:
    steps = document.steps.values()
    ended = RunEntry(
        run=document.run,
        last_version=document.version,
        started_ms=document.run_ms or document.created_ms,
        ended_ms=context.now_ms,
        steps=len(steps),
        done=sum(entry.status in FINISHED for entry in steps),
        reason=reason,
    )
    regions = {n: data for n, data in carried.regions.items() if not n.startswith(_OF_A_RUN)}
    new = advance(
        carried,
        context,
        run=document.run + 1,
        run_ms=context.now_ms,
        runs=(*document.runs, ended)[-KEPT_RUNS:],
        steps={},
        approvals={},
        regions=regions,
    )
    return new.changed(run_first=context.version)


def _reply(
    document: Document, context: Context, doubtful: tuple[PastEffect, ...], *, repeated: bool
) -> NewRun:
    return NewRun(
        workspace=context.workspace,
        run=document.run,
        version=document.run_first,
        state_bytes=len(document.state or b""),
        sha256=document.state_sha256,
        effects=doubtful,
        repeated=repeated,
    )
