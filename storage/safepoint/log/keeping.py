"""What a workspace keeps, and which objects that takes. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from safepoint.format.document import Document
from safepoint.format.entries import ArtifactEntry, CheckpointEntry
from safepoint.format.keys import BLOCK, block_of, last_of_block
from safepoint.format.versions import Kept, Versions, existing, kept_of
from safepoint.model import CheckpointKind
from safepoint.values import dataclass

__all__ = [
    "SAFE_AGE",
    "Keeping",
    "keep",
    "lasts",
    "needed",
    "protected",
    "removable_below",
]

SAFE_AGE: Final = timedelta(hours=24)
"""A record that is younger is not removed: a writer that stalled must not win its number."""

SAFE_VERSIONS: Final = 2 * BLOCK
"""Nor is one of the newest two blocks' worth."""

Chain = Callable[[int], tuple[int, ...]]
"""The versions that rebuild one, itself among them."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What there is after pruning up to `floor`, and what is `gone` by it.

    `artifacts` is the table of what is still needed; `dropped` counts the revisions that are not.
    """

    floor: int
    kept: Kept
    gone: Versions
    artifacts: Mapping[str, tuple[ArtifactEntry, ...]]
    dropped: int


def lasts(entry: CheckpointEntry) -> bool:
    """Whether a checkpoint is kept for good: a milestone, or one with a label."""
    return entry.label is not None or entry.kind == CheckpointKind.MILESTONE


def protected(document: Document, *, since_ms: int | None) -> set[int]:
    """Versions that no policy takes, as long as the workspace has a reason for them.

    These are its newest checkpoint and what is pinned; what forks were made from; the versions at
    which running and interrupted steps got their fencing tokens, and at which approvals that are
    not withdrawn were asked, decided and used; the last ones of runs that ended after `since_ms`.
    """
    found: set[int | None] = {document.version, *document.pins}
    if document.latest is not None:
        found.add(document.latest.version)
    found.update(fork.version for fork in document.forks)
    found.update(step.token for step in document.steps.values() if step.status == "running")
    for approval in document.approvals.values():
        if approval.status != "withdrawn":
            found |= {approval.asked_version, approval.decided_version, approval.used_version}
    if since_ms is not None:
        found.update(run.last_version for run in document.runs if run.ended_ms > since_ms)
    return {version for version in found if version}


def keep(
    document: Document,
    *,
    floor: int,
    lasting: Versions,
    since_ms: int | None,
    first: int = 1,
) -> Keeping:
    """What stays when all before `floor` goes that nothing protects.

    `lasting` are the versions of checkpoints that are kept for good, of those from the document's
    present floor to `floor`. A version that was pruned never comes back, whatever asks for it.
    """
    there = existing(document, first)
    floor = min(max(floor, document.floor), document.version)
    below = there.between(first, floor - 1)
    known = kept_of(document).lasting
    stay = known | Versions.of(v for v in lasting if v in below)
    reasons = protected(document, since_ms=since_ms)
    others = Versions.of(v for v in reasons if v in below) - stay
    kept = Kept(stay, others)
    artifacts = {
        name: left
        for name, entries in document.artifacts.items()
        if (left := tuple(one for one in entries if _in_use(one, floor, kept.all)))
    }
    before = sum(map(len, document.artifacts.values()))
    dropped = before - sum(map(len, artifacts.values()))
    return Keeping(floor, kept, below - kept.all, artifacts, dropped)


def needed(document: Document, chain: Chain, first: int = 1) -> Versions:
    """All versions whose records have to lie in the store: those that there are, those that their
    documents are rebuilt from, and the last of each block of which one is kept, with its own: that
    one holds the block's index of checkpoints."""
    head, floor = document.version, max(first, document.floor)
    records: set[int] = set()
    for version in range(floor, min(head, floor + BLOCK) + 1):
        records.update(chain(version))  # later ones begin in a later block
    indexed: int | None = None
    for version in kept_of(document).all:
        records.update(chain(version))
        block = block_of(version)
        if block != indexed and last_of_block(block) <= head:
            records.update(chain(last_of_block(block)))
        indexed = block
    return Versions.of(records) | Versions.covering([(floor, head)])


def removable_below(document: Document, *, young: int) -> int:
    """Records below this version may be removed unless they are needed; `young` is the first one
    that is not older than SAFE_AGE."""
    return max(0, min(document.floor, young, document.version - SAFE_VERSIONS + 1))


def _in_use(entry: ArtifactEntry, floor: int, kept: Versions) -> bool:
    if entry.until is None or entry.until > floor:
        return True
    return kept.any_between(entry.version, entry.until - 1)
