"""The brief: where a workspace was, derived from one document."""

from __future__ import annotations

from safepoint.format.document import Document
from safepoint.log.progress import (
    FINISHED,
    idempotency_key,
    missing,
    next_step,
    progress,
    status_of,
    workspace_status,
)
from safepoint.log.transitions.base import when
from safepoint.model import Actor, Blocker, Brief, InFlight, StepStatus

__all__ = ["brief_of"]

_UNKNOWN = Actor("unknown")


def brief_of(name: str, document: Document, *, now_ms: int, head_version: int) -> Brief:
    """What a fresh agent needs to carry on from `document`, seen at `now_ms`."""
    steps, latest = document.steps, document.latest
    statuses = {step: status_of(entry, now_ms) for step, entry in steps.items()}
    return Brief(
        workspace=name,
        run=document.run,
        version=document.version,
        head_version=head_version,
        status=workspace_status(document),
        goal=document.goal,
        next_action=document.next_action,
        summary=document.summary,
        label=latest.label if latest else None,
        saved_at=when(latest.at_ms) if latest else None,
        saved_by=latest.actor if latest else None,
        checkpoint_version=latest.version if latest else None,
        progress=progress(document, now_ms),
        next_step=next_step(document, now_ms),
        done=tuple(s for s, e in steps.items() if e.status in FINISHED),
        pending=tuple(s for s, status in statuses.items() if status is StepStatus.PENDING),
        failed=tuple(s for s, status in statuses.items() if status is StepStatus.FAILED),
        in_flight=tuple(
            _in_flight(name, document, step, interrupted=status is StepStatus.INTERRUPTED)
            for step, status in statuses.items()
            if status in (StepStatus.RUNNING, StepStatus.INTERRUPTED)
        ),
        blocked=_blocked(document, now_ms),
    )


def _in_flight(name: str, document: Document, step: str, *, interrupted: bool) -> InFlight:
    entry = document.steps[step]
    key = idempotency_key(name, document.run, step)
    return InFlight(
        step=step,
        attempt=entry.attempts,
        idempotency_key=key,
        lease_until=when(entry.lease_ms or 0),
        interrupted=interrupted,
        holder=entry.holder or _UNKNOWN,
        advice=(
            "Started and never reported: its effect may have happened. Call start_step; it gives "
            "a new attempt. Pass the idempotency_key on, or check outside before repeating it."
            if interrupted
            else "Somebody holds it now. Do not run it unless you have its fencing token."
        ),
    )


def _blocked(document: Document, now_ms: int) -> tuple[Blocker, ...]:
    blocked = []
    for step, entry in document.steps.items():
        if entry.status == "pending" and (needs := missing(document, entry)):
            blocked.append(Blocker(step, needs, "other steps must be finished first"))
        elif entry.status == "failed" and not entry.retryable:
            blocked.append(
                Blocker(step, (), f"failed for good: {entry.error or 'no reason given'}")
            )
        elif entry.status == "failed" and (entry.retry_ms or 0) > now_ms:
            due = when(entry.retry_ms or 0).isoformat(timespec="seconds")
            blocked.append(Blocker(step, (), f"failed, to be tried again at {due}"))
    return tuple(blocked)
