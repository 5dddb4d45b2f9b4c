"""What follows from a document's steps at a moment: status, progress, what is next, what blocks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

from safepoint.format.document import Document
from safepoint.format.entries import RepairEntry, StepEntry
from safepoint.log.approvals import lacking
from safepoint.model import Progress, StepStatus, WorkspaceStatus

__all__ = [
    "idempotency_key",
    "lost_versions",
    "missing",
    "next_step",
    "progress",
    "ready_steps",
    "returned_warning",
    "status_of",
    "workspace_status",
]

FINISHED = frozenset({"done", "skipped"})
_MAX_KEY_CHARS = 255


def idempotency_key(workspace: str, run: int, step: str) -> str:
    """`{workspace}:{run}:{step}`: the same for every attempt, different for everything else.

    Printable ASCII (other characters, `:` and `%` in names are percent-encoded) and at most 255
    characters, as payment and mail services accept; longer ones end in a hash.
    """
    key = f"{quote(workspace, safe='/ ')}:{run}:{quote(step, safe='/ ')}"
    if len(key) <= _MAX_KEY_CHARS:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: _MAX_KEY_CHARS - 65]}~{digest}"


def status_of(entry: StepEntry, now_ms: int) -> StepStatus:
    """The status at `now_ms`: a running step whose lease is over is interrupted."""
    if entry.status == "running" and (entry.lease_ms or 0) <= now_ms:
        return StepStatus.INTERRUPTED
    return StepStatus(entry.status)


def missing(document: Document, entry: StepEntry) -> tuple[str, ...]:
    """The steps that must be finished before this one and are not."""
    steps = document.steps
    return tuple(n for n in entry.after if n not in steps or steps[n].status not in FINISHED)


def lost_versions(repaired: RepairEntry) -> str:
    """`Versions 4 to 6 of the workspace were`, as the beginning of a sentence."""
    first, last = repaired.restored + 1, repaired.last_lost
    if first == last:
        return f"Version {first} of the workspace was"
    return f"Versions {first} to {last} of the workspace were"


def returned_warning(document: Document, step: str) -> str:
    """What to be told before a step is run again that a rewind or a fork has set back; or ""."""
    entry, origin = document.steps.get(step), document.origin
    if entry is None or entry.returned is None:
        return ""
    if origin is not None and entry.returned == document.run_first:
        key = idempotency_key(origin.workspace, origin.run, step)
        return (
            f"This workspace was forked from {origin.workspace!r}, where an attempt of this step "
            f"may have had its effect under the idempotency key {key!r}. The key here is another "
            "one: check outside before you repeat it."
        )
    repaired = document.repaired
    if repaired is not None and entry.returned == repaired.version:
        return (
            f"{lost_versions(repaired)} lost. This step may have run then, and its effect may have "
            "happened: pass the idempotency_key to the outside system, or check there before you "
            "run it."
        )
    return (
        f"The workspace was rewound in version {entry.returned}. This step had run before that, "
        "and what it did outside was not taken back: pass the idempotency_key to the outside "
        "system, or check there before you repeat it."
    )


def ready_steps(document: Document, now_ms: int) -> Iterator[str]:
    """Steps that start_step would let somebody run now, in plan order."""
    for name, entry in document.steps.items():
        status = status_of(entry, now_ms)
        again = status is StepStatus.FAILED and entry.retryable and (entry.retry_ms or 0) <= now_ms
        asleep = status is StepStatus.PENDING and (entry.wake_ms or 0) > now_ms
        if asleep or not (status in ("pending", "interrupted") or again):
            continue
        if not missing(document, entry) and not lacking(document, name, entry):
            yield name


def next_step(document: Document, now_ms: int) -> str | None:
    return next(ready_steps(document, now_ms), None)


def progress(document: Document, now_ms: int) -> Progress:
    counts = Counter(str(status_of(entry, now_ms)) for entry in document.steps.values())
    return Progress(total=len(document.steps), **counts)


def workspace_status(document: Document) -> WorkspaceStatus:
    """`deleted`; `failed` when a step failed for good, `done` when all steps are finished."""
    if document.deleted:
        return WorkspaceStatus.DELETED
    entries = document.steps.values()
    if any(entry.status == "failed" and not entry.retryable for entry in entries):
        return WorkspaceStatus.FAILED
    if entries and all(entry.status in FINISHED for entry in entries):
        return WorkspaceStatus.DONE
    return WorkspaceStatus.ACTIVE
