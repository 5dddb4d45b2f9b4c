"""When somebody should take up a workspace again, and why: known from its document alone.

Each reason holds from its moment on until another commit of work, so the earliest tells whether the
workspace is due at any time, without looking at it again.

running step                            interrupted, when its lease ends
failed step that may be tried again     retry, at its time, or from its failure on
planned for a time, or for approvals    step, when the time has come and all approvals are given
approval decided                        decided, unless work was done since
approval pending                        expired or reminder, unless work was done since

Decisions and upkeep (pruning, pins, new keys) are no work: nobody has taken anything up by them.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nsmallest
from typing import NamedTuple

from safepoint.format.document import Document
from safepoint.log.approvals import lacking
from safepoint.log.moments import when
from safepoint.log.progress import missing
from safepoint.model import Due

__all__ = ["Reason", "due_at", "reasons"]


DECIDED = frozenset({"approved", "denied", "answered"})


class Reason(NamedTuple):
    """From `at_ms` on. `kind` and `name` as in Due."""

    at_ms: int
    kind: str
    name: str


def reasons(document: Document, most: int) -> tuple[Reason, ...]:
    """The first `most` reasons there are or will be, earliest first."""
    return tuple(nsmallest(most, (*_steps(document), *_approvals(document))))


def due_at(found: tuple[Reason, ...], now_ms: int) -> tuple[Due, ...]:
    """Those that hold at `now_ms`."""
    return tuple(Due(r.kind, r.name, when(r.at_ms)) for r in found if r.at_ms <= now_ms)


def _steps(document: Document) -> Iterator[Reason]:
    for name, entry in document.steps.items():
        if entry.status == "running":
            yield Reason(entry.lease_ms or 0, "interrupted", name)
            continue
        again = entry.status == "failed" and entry.retryable
        awaited = entry.status == "pending" and (entry.needs or entry.wake_ms is not None)
        if not (again or awaited) or missing(document, entry) or lacking(document, name, entry):
            continue
        if again:
            yield Reason(entry.retry_ms or entry.finished_ms or 0, "retry", name)
        else:
            given = (document.approvals[need].decided_ms or 0 for need in entry.needs)
            yield Reason(max((entry.wake_ms or 0, *given)), "step", name)


def _approvals(document: Document) -> Iterator[Reason]:
    if not document.approvals:
        return
    worked = document.worked or document.version
    worked_ms = document.worked_ms if document.worked else document.updated_ms
    for name, entry in document.approvals.items():
        if entry.status == "pending":
            if (entry.expires_ms or 0) > worked_ms:
                yield Reason(entry.expires_ms or 0, "expired", name)
            if (entry.wake_ms or 0) > worked_ms:
                yield Reason(entry.wake_ms or 0, "reminder", name)
        elif entry.status in DECIDED and (entry.decided_version or 0) > worked:
            yield Reason(entry.decided_ms or 0, "decided", name)
