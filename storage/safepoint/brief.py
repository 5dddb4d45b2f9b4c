"""The brief: where a workspace was, derived from one document."""

from __future__ import annotations

from safepoint.format.document import Document
from safepoint.log.approvals import approval_of, lacking, needed
from safepoint.log.moments import when
from safepoint.log.progress import (
    FINISHED,
    idempotency_key,
    lost_versions,
    missing,
    next_step,
    progress,
    returned_warning,
    status_of,
    workspace_status,
)
from safepoint.log.transitions.artifact import current
from safepoint.model import Actor, Approval, Blocker, Brief, InFlight, StepStatus

__all__ = ["brief_of"]

_MAX_APPROVALS = 50
_UNKNOWN = Actor("unknown")

LONG_RUN_VERSIONS = 2048
"""Eight blocks of the checkpoint index: about 40 pages of history for a person or a model."""
LONG_RUN_STEPS = 5000
"""Half of what a run may have: a commit among so many takes several milliseconds."""
LONG_RUN_BYTES = 16 * 1024 * 1024
"""Of results and questions: they are part of every version, and 60 MiB is the most."""


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
        approvals=_approvals(name, document, now_ms),
        advice=_advice(document) if document.version == head_version else None,
        artifacts=sum(current(revisions) is not None for revisions in document.artifacts.values()),
    )


def _advice(document: Document) -> str | None:
    """What a fresh agent should know besides: what a repair has lost, steps that were set back, a
    run that has grown long."""
    repaired, latest = document.repaired, document.latest
    if repaired is not None and (latest is None or latest.version < repaired.version):
        return (
            f"{lost_versions(repaired)} lost to damage, which was repaired on "
            f"{when(repaired.at_ms):%Y-%m-%d}: this is version {repaired.restored} again. Check "
            "outside what was done since before you go on."
        )
    return " ".join(filter(None, (_set_back(document), _long(document)))) or None


def _set_back(document: Document) -> str:
    names = [
        name
        for name, entry in document.steps.items()
        if entry.returned is not None and entry.status in ("pending", "failed")
    ]
    if not names:
        return ""
    steps = "1 step" if len(names) == 1 else f"{len(names):,} steps"
    return (
        f"{steps} to be run may have had an effect already ({names[0]!r}): start_step says what "
        "to check."
    )


def _long(document: Document) -> str:
    versions = document.version - max(document.run_first, document.floor) + 1
    size = sum(map(len, document.regions.values())) - len(document.state or b"")
    if versions >= LONG_RUN_VERSIONS:
        long = f"{versions:,} versions"
    elif len(document.steps) >= LONG_RUN_STEPS:
        long = f"{len(document.steps):,} steps"
    elif size >= LONG_RUN_BYTES:
        long = f"{size >> 20} MiB of results"
    else:
        return ""
    return (
        f"This run has {long}. When nothing is under way, begin a fresh one that carries on what "
        "is needed: start_new_run, or `safepoint new-run`."
    )


def _approvals(name: str, document: Document, now_ms: int) -> tuple[Approval, ...]:
    """Those that wait in the order of asking, then the last decided."""
    entries = document.approvals
    waiting = [one for one, entry in entries.items() if entry.decided_ms is None]
    decided = [one for one, entry in entries.items() if entry.decided_ms is not None]
    waiting.sort(key=lambda one: entries[one].asked_version)
    decided.sort(key=lambda one: -(entries[one].decided_version or 0))
    shown = [*waiting, *decided][:_MAX_APPROVALS]
    return tuple(approval_of(name, document, one, now_ms) for one in shown)


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
            returned_warning(document, step)
            or "Started and never reported: its effect may have happened. Call start_step; it "
            "gives a new attempt. Pass the idempotency_key on, or check outside before repeating "
            "it."
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
        elif entry.status in ("pending", "failed") and lacking(document, step, entry):
            told = (f"{n.name} ({n.status})" for n in needed(document, step, entry, now_ms))
            blocked.append(Blocker(step, (), f"needs the approval of a person: {', '.join(told)}"))
        elif entry.status == "failed" and (entry.retry_ms or 0) > now_ms:
            due = when(entry.retry_ms or 0).isoformat(timespec="seconds")
            blocked.append(Blocker(step, (), f"failed, to be tried again at {due}"))
        elif entry.status == "pending" and (entry.wake_ms or 0) > now_ms:
            due = when(entry.wake_ms or 0).isoformat(timespec="seconds")
            blocked.append(Blocker(step, (), f"planned for {due}"))
    return tuple(blocked)
