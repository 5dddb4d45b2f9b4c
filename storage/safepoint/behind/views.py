"""From documents and summaries to what pages show, under the names policy. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeAlias

from safepoint.behind.summary import Summary
from safepoint.format.document import Document
from safepoint.format.entries import StepEntry
from safepoint.format.keys import decode_name
from safepoint.log.approvals import is_open
from safepoint.log.progress import FINISHED, progress, status_of, workspace_status
from safepoint.log.transitions.base import when
from safepoint.model import CheckpointInfo, CheckpointKind
from safepoint.pages import CheckpointRow, RootRow, StepRow, WorkspacePage

__all__ = ["MAX_CHECKPOINTS", "MAX_STEPS", "root_row", "workspace_page"]

MAX_STEPS = 300
MAX_CHECKPOINTS = 100
_LAST_FINISHED = 200

_Numbered: TypeAlias = tuple[int, tuple[str, StepEntry]]


def shown_name(segment: str, name: str, *, names: bool) -> str:
    """The name, or, where names are not to be shown, what the key tells anyway."""
    if names or decode_name(segment) is not None:
        return name
    return segment.partition("~")[0] + "…"


def root_row(segment: str, summary: Summary, now_ms: int, *, names: bool) -> RootRow:
    return RootRow(
        name=shown_name(segment, summary.name, names=names),
        folder=segment,
        status=summary.status,
        progress=summary.progress(now_ms),
        version=summary.version,
        updated=when(summary.updated_ms),
        state_bytes=summary.state_bytes,
        open_approvals=summary.open_approvals(now_ms),
    )


def workspace_page(
    segment: str,
    name: str,
    document: Document,
    checkpoints: Iterable[CheckpointInfo],
    *,
    state_bytes: int,
    more_checkpoints: bool,
    names: bool,
    now: datetime,
) -> WorkspacePage:
    """`checkpoints` are the newest ones, newest first. Nothing of the state is in it but sizes."""
    now_ms = int(now.timestamp() * 1000)
    return WorkspacePage(
        name=shown_name(segment, name, names=names),
        status=workspace_status(document).value,
        run=document.run,
        version=document.version,
        created=when(document.created_ms),
        updated=when(document.updated_ms),
        progress=progress(document, now_ms),
        state_bytes=state_bytes,
        steps=_steps(document, now_ms, names=names),
        checkpoints=tuple(_checkpoint(info, names=names) for info in checkpoints),
        more_checkpoints=more_checkpoints,
        names=names,
        written=now,
        open_approvals=sum(is_open(entry, now_ms) for entry in document.approvals.values()),
    )


def _steps(document: Document, now_ms: int, *, names: bool) -> tuple[StepRow, ...]:
    numbered = _chosen(list(enumerate(document.steps.items(), start=1)))
    return tuple(
        StepRow(
            number=number,
            status=status_of(entry, now_ms).value,
            attempts=entry.attempts,
            started=_when(entry.started_ms),
            finished=_when(entry.finished_ms),
            until=_when(entry.lease_ms),
            name=name if names else None,
            title=entry.title if names else None,
            who=entry.holder.name if names and entry.holder else None,
        )
        for number, (name, entry) in numbered
    )


def _chosen(steps: list[_Numbered]) -> list[_Numbered]:
    """All; of a long plan what needs a look, then the last 200 finished, then the next, in order.

    What is left over goes to earlier finished ones."""
    if len(steps) <= MAX_STEPS:
        return steps
    look = [step for step in steps if step[1][1].status in ("running", "failed")]
    pending = [step for step in steps if step[1][1].status == "pending"]
    finished = [step for step in steps if step[1][1].status in FINISHED]
    finished.sort(key=lambda step: step[1][1].finished_ms or 0, reverse=True)
    ranked = [*look, *finished[:_LAST_FINISHED], *pending, *finished[_LAST_FINISHED:]]
    return sorted(ranked[:MAX_STEPS], key=lambda step: step[0])


def _checkpoint(info: CheckpointInfo, *, names: bool) -> CheckpointRow:
    return CheckpointRow(
        version=info.version,
        at=info.saved_at,
        milestone=info.kind is CheckpointKind.MILESTONE,
        state_bytes=info.state_bytes,
        label=info.label if names else None,
        step=info.step if names else None,
        who=info.saved_by.name if names else None,
    )


def _when(at_ms: int | None) -> datetime | None:
    return None if at_ms is None else when(at_ms)
