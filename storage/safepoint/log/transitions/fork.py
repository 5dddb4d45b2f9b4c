"""fork: a document that begins another workspace, and the entry that stays in the one it is from.

Two logs cannot commit together. The fork comes first: it alone decides whether there is one. The
entry follows, and whoever repeats the call adds it if it is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from safepoint.errors import Conflict
from safepoint.format.document import STATE, Document, result_region
from safepoint.format.entries import ArtifactEntry, ForkEntry, OriginEntry, StepEntry
from safepoint.log.progress import FINISHED
from safepoint.log.transitions.artifact import UPLOAD_FRESH_MS, NewArtifact
from safepoint.log.transitions.base import (
    Context,
    Outcome,
    advance,
    check_text,
    checkpoint,
    upkeep,
)
from safepoint.log.transitions.stepback import steps_back
from safepoint.values import dataclass

__all__ = ["BeginFork", "RecordFork", "check_fork_of", "forked_steps"]

KEPT_FORKS = 256


def forked_steps(old: Document, head: Document, context: Context) -> Mapping[str, StepEntry]:
    """The steps of `old` as a fork begins with them. `head` is the newest version of the origin:
    what it has run since is in doubt in the fork, whose idempotency keys are others."""
    now = head.steps if head.run == old.run else {}
    back = steps_back(old.steps, now, version=context.version, now_ms=context.now_ms)
    steps = {name: back.steps[name] for name in old.steps}
    return {
        name: replace(entry, doubt=True, returned=context.version)
        if entry.status not in FINISHED and (entry.status == "running" or entry.doubt)
        else entry
        for name, entry in steps.items()
    }


def check_fork_of(
    document: Document, name: str, *, origin: str, version: int | None, first: int = 1
) -> OriginEntry:
    """What `document`, of the workspace `name`, was forked from: `version` of `origin`, or any
    version for None. `first` is the first one of `origin`: what is older was of a workspace that
    was deleted. Raises Conflict when it was forked from something else, or from nothing."""
    entry = document.origin
    if entry is None or entry.workspace != origin:
        told = "it is not a fork of this one"
    elif entry.version < first:
        told = f"it was forked from an earlier workspace {origin!r}, which was deleted"
    elif version not in (None, entry.version):
        told = f"it was forked from version {entry.version}, not {version}"
    else:
        return entry
    raise Conflict(
        f"there is a workspace {name!r} already, and {told}; nothing was forked",
        hint="Choose another name for the fork.",
        code="workspace_exists",
    )


@dataclass(frozen=True, slots=True)
class BeginFork:
    """The first version of a fork. The reply is the document that the fork began with, or None
    when an earlier call began it from the same version of the same origin.

    `any_version` takes a fork of whatever version of that origin for a repeat. `files` were stored
    for it while there was no workspace of its name; `base` was the newest version then, above 0
    when it had been deleted.
    """

    origin: str
    old: Document
    head: Document
    files: tuple[NewArtifact, ...] = ()
    base: int = 0
    reason: str | None = None
    any_version: bool = False

    def __call__(self, document: Document, context: Context) -> Outcome[Document | None]:
        check_text(self.reason, "reason", limit=context.limits.summary_bytes // 2)
        if document.exists:
            asked = None if self.any_version else self.old.version
            check_fork_of(document, context.workspace, origin=self.origin, version=asked)
            return Outcome(None)
        self._check_files(document, context)
        old = self.old
        origin = OriginEntry(self.origin, old.version, old.run, context.now_ms)
        wanted = {STATE, *(result_region(name) for name in old.steps)}
        new = advance(
            document,
            context,
            run_ms=context.now_ms,
            goal=old.goal,
            next_action=old.next_action,
            summary=old.summary,
            state_sha256=old.state_sha256,
            steps=forked_steps(old, self.head, context),
            references=old.references,
            artifacts={file.name: (_revision(file, context),) for file in self.files},
            origin=origin,
            regions={name: data for name, data in old.regions.items() if name in wanted},
        )
        told = f"forked from {self.origin} at version {old.version}"
        latest = old.latest
        here = latest is not None and latest.version == old.version
        new, _ = checkpoint(
            new,
            context,
            kind=latest.kind if latest and here else "step",
            label=latest.label if latest and here else None,
            summary=f"{told}: {self.reason}" if self.reason else told,
            step=None,
        )
        event = {"kind": "fork", "from": self.origin, "from_version": old.version}
        return Outcome(new, new, {**event, "state_bytes": len(new.state or b"")})

    def _check_files(self, document: Document, context: Context) -> None:
        late = any(
            context.now_ms - (file.uploaded_ms or 0) > UPLOAD_FRESH_MS for file in self.files
        )
        if late or (self.files and document.version != self.base):
            raise Conflict(
                "the files of the fork were stored too long ago, or for a workspace that is gone",
                hint="Fork it again.",
                code="upload_expired",
            )


def _revision(file: NewArtifact, context: Context) -> ArtifactEntry:
    return ArtifactEntry(
        id=file.id,
        revision=1,
        version=context.version,
        at_ms=context.now_ms,
        size=file.size,
        sha256=file.sha256,
        media_type=file.media_type,
        actor=context.actor,
        stored_bytes=file.stored_bytes,
        executable=file.executable,
        step=file.step,
        summary=file.summary,
    )


@dataclass(frozen=True, slots=True)
class RecordFork:
    """The entry in the origin, unless that was deleted; another workspace that took its name has
    another `created_ms`. The newest 256 are kept; the reply is nothing."""

    fork: str
    version: int
    at_ms: int
    reason: str | None = None
    created_ms: int = 0

    def __call__(self, document: Document, context: Context) -> Outcome[None]:
        entry = ForkEntry(self.fork, self.version, self.at_ms)
        gone = not document.exists or self.created_ms not in (0, document.created_ms)
        if gone or entry in document.forks:
            return Outcome(None)
        event = {"kind": "forked", "to": self.fork, "version": self.version, "reason": self.reason}
        forks = (*document.forks, entry)[-KEPT_FORKS:]
        return Outcome(None, advance(document, context, forks=forks, **upkeep(document)), event)
