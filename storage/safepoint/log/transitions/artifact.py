"""save_artifact, and its removal: objects that lie there already enter the document's table.

Revisions leave the table only when retention takes them. One of them that is made current again
shares its object with the new revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from safepoint.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from safepoint.format.document import Document
from safepoint.format.entries import ArtifactEntry
from safepoint.format.paths import check_artifact_name
from safepoint.log.transitions.base import Context, Outcome, advance, check_text, closest
from safepoint.model import Limits
from safepoint.values import dataclass

__all__ = [
    "ArtifactsReply",
    "NewArtifact",
    "RemoveArtifact",
    "SaveArtifacts",
    "Table",
    "as_at",
    "current",
    "rewound",
]

UPLOAD_FRESH_MS = 12 * 3600 * 1000
"""How long after its upload an object may still enter the table. Half of the day after which an
object that is in no table is swept away."""

Table: TypeAlias = Mapping[str, tuple[ArtifactEntry, ...]]


def current(revisions: tuple[ArtifactEntry, ...]) -> ArtifactEntry | None:
    """The revision that holds now, None once the artifact was removed."""
    return revisions[-1] if revisions and revisions[-1].until is None else None


def as_at(revisions: tuple[ArtifactEntry, ...], version: int) -> ArtifactEntry | None:
    """The revision that was current at a version of the workspace."""
    for entry in reversed(revisions):
        if entry.version <= version:
            return entry if entry.until is None or version < entry.until else None
    return None


def rewound(table: Table, version: int, context: Context) -> Table:
    """`table` with the revisions current that were so at `version`: those are added anew, with the
    newest object that holds their bytes."""
    changed = dict(table)
    for name, revisions in table.items():
        was, now = as_at(revisions, version), current(revisions)
        if _same_file(was, now):
            continue
        ended = _ended(revisions, context.version)
        if was is not None:
            stored = next(e for e in reversed(revisions) if _same_bytes(e, was))
            again = replace(
                was,
                id=stored.id,
                stored_bytes=stored.stored_bytes,
                revision=revisions[-1].revision + 1,
                version=context.version,
                at_ms=context.now_ms,
                actor=context.actor,
                until=None,
            )
            ended = (*ended, again)
        changed[name] = ended
    return changed


def _same_file(one: ArtifactEntry | None, other: ArtifactEntry | None) -> bool:
    """Whether two revisions are alike in all but when and by whom they came to be current, and
    the object that holds the bytes: a lost one was stored again."""
    if one is None or other is None:
        return one is other
    return other == replace(
        one,
        id=other.id,
        stored_bytes=other.stored_bytes,
        revision=other.revision,
        version=other.version,
        at_ms=other.at_ms,
        actor=other.actor,
        until=other.until,
    )


def _same_bytes(one: ArtifactEntry, other: ArtifactEntry) -> bool:
    return (one.sha256, one.size) == (other.sha256, other.size)


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """A file whose object `id` lies in the store, uploaded at `uploaded_ms`; or, when that is None,
    the object of a revision that is in the table. `lost` is the object of one with the same bytes
    that is gone from the store: this one takes its place."""

    name: str
    id: str
    size: int
    sha256: str
    media_type: str
    executable: bool
    stored_bytes: int
    uploaded_ms: int | None = None
    step: str | None = None
    summary: str | None = None
    lost: str | None = None

    def is_(self, entry: ArtifactEntry) -> bool:
        """Whether this revision holds the same, so that nothing needs to be said anew."""
        return (
            (entry.sha256, entry.size) == (self.sha256, self.size)
            and entry.id != self.lost
            and entry.media_type == self.media_type
            and entry.executable == self.executable
            and self.step in (None, entry.step)
            and self.summary in (None, entry.summary)
        )


@dataclass(frozen=True, slots=True)
class ArtifactsReply:
    """The current revision of each, whether it was there already, and the names that ended."""

    entries: tuple[tuple[str, ArtifactEntry, bool], ...]
    removed: tuple[str, ...]
    version: int


@dataclass(frozen=True, slots=True)
class SaveArtifacts:
    """All of them in one commit. With `folder`, a prefix that ends in `/`, other artifacts of that
    prefix are removed in it. `created_ms` and `run` are those of the workspace when the upload
    began; where there was none then, `run` is the one that it was to begin with."""

    new: tuple[NewArtifact, ...]
    folder: str | None = None
    created_ms: int = 0
    run: int | None = None

    def __call__(self, document: Document, context: Context) -> Outcome[ArtifactsReply]:
        self._check(document, context)
        table = dict(document.artifacts)
        entries: list[tuple[str, ArtifactEntry, bool]] = []
        for new in self.new:
            revisions = table.get(new.name, ())
            now = current(revisions)
            if now is not None and new.is_(now):
                entries.append((new.name, now, True))
                continue
            entry = _entry(new, revisions, context)
            table[new.name] = (*_ended(revisions, context.version), entry)
            entries.append((new.name, entry, False))
        removed = tuple(_others(table, self.folder, {new.name for new in self.new}))
        for name in removed:
            table[name] = _ended(table[name], context.version)
        fresh = [(name, entry) for name, entry, repeated in entries if not repeated]
        reply = ArtifactsReply(tuple(entries), removed, context.version)
        if not fresh and not removed:
            return Outcome(replace(reply, version=document.version))
        _check_table(table, context.limits)
        event = {
            "kind": "artifact",
            "artifact": fresh[0][0] if self.folder is None else self.folder,
            "revision": fresh[0][1].revision if self.folder is None else None,
            "files": len(fresh) if self.folder is not None else None,
            "removed": len(removed) or None,
            "artifact_bytes": sum(entry.size for _, entry in fresh),
        }
        return Outcome(reply, advance(document, context, artifacts=table), event)

    def _check(self, document: Document, context: Context) -> None:
        limits = context.limits
        for new in self.new:
            check_artifact_name(new.name, max_chars=limits.name_chars)
            check_text(new.summary, "summary", limit=limits.summary_bytes)
            check_text(new.step, "step name", limit=limits.step_chars, unit="characters")
            check_text(new.media_type, "media type", limit=limits.label_chars, unit="characters")
            if not new.media_type.isprintable() or "/" not in new.media_type:
                raise InvalidInput(
                    f"{new.media_type!r} is not a media type",
                    hint="Give one such as text/plain, or leave it out.",
                )
        late = [
            new
            for new in self.new
            if new.uploaded_ms is not None and context.now_ms - new.uploaded_ms > UPLOAD_FRESH_MS
        ]
        if late or not self._is_for(document):
            raise Conflict(
                "the upload is too old to be used: it was done long ago"
                if late
                else "the workspace was deleted while the artifact was uploaded",
                hint="Save it again.",
                code="upload_expired",
            )

    def _is_for(self, document: Document) -> bool:
        """Whether it still is the workspace that the objects were sealed for. The runs of one that
        takes the place of a deleted one go on from there."""
        if self.created_ms:
            return document.created_ms == self.created_ms
        began = document.runs[0].run if document.runs else document.run
        return self.run in (None, began)


@dataclass(frozen=True, slots=True)
class RemoveArtifact:
    """It is no longer current; the reply says whether that was so before."""

    name: str

    def __call__(self, document: Document, context: Context) -> Outcome[bool]:
        revisions = document.artifacts.get(self.name, ())
        if not revisions:
            raise no_artifact(document, context.workspace, self.name)
        if current(revisions) is None:
            return Outcome(True)
        ended = {**document.artifacts, self.name: _ended(revisions, context.version)}
        event = {"kind": "artifact_removed", "artifact": self.name}
        return Outcome(False, advance(document, context, artifacts=ended), event)


def no_artifact(document: Document, workspace: str, name: str) -> NotFound:
    """The error that names the closest names there are, or says that it is a folder's."""
    under = f"{name.removesuffix('/')}/"
    below = sum(
        other.startswith(under) and current(revisions) is not None
        for other, revisions in document.artifacts.items()
    )
    meant = (
        f"It is a folder of {below:,} files: load_artifact with the name {under!r} lists them. "
        if below
        else closest(name, document.artifacts)
    )
    return NotFound(
        f"workspace {workspace!r} has no artifact {name!r}",
        hint=f"{meant}load_artifact with the name / (or `safepoint artifacts list`) lists all.",
        code="artifact_not_found",
    )


def _entry(
    new: NewArtifact, revisions: tuple[ArtifactEntry, ...], context: Context
) -> ArtifactEntry:
    shared = any(entry.id == new.id for entry in revisions)
    if new.uploaded_ms is None and not shared:
        raise Conflict(
            f"the artifact {new.name!r} was changed while it was compared",
            hint="Save it again.",
            code="upload_expired",
        )
    return ArtifactEntry(
        id=new.id,
        revision=revisions[-1].revision + 1 if revisions else 1,
        version=context.version,
        at_ms=context.now_ms,
        size=new.size,
        sha256=new.sha256,
        media_type=new.media_type,
        actor=context.actor,
        stored_bytes=new.stored_bytes,
        executable=new.executable,
        step=new.step,
        summary=new.summary,
    )


def _ended(revisions: tuple[ArtifactEntry, ...], version: int) -> tuple[ArtifactEntry, ...]:
    if current(revisions) is None:
        return revisions
    return (*revisions[:-1], replace(revisions[-1], until=version))


def _others(table: Table, folder: str | None, kept: set[str]) -> list[str]:
    if folder is None:
        return []
    return [
        name
        for name, revisions in table.items()
        if name.startswith(folder) and name not in kept and current(revisions) is not None
    ]


def _check_table(table: Table, limits: Limits) -> None:
    names = sum(current(revisions) is not None for revisions in table.values())
    if names > limits.artifacts:
        raise LimitExceeded(
            f"the workspace would have {names:,} artifacts; the limit is {limits.artifacts:,}",
            hint="Remove some, pack many small files into one archive, or use another workspace.",
        )
    count = sum(map(len, table.values()))
    if count > limits.artifact_revisions:
        raise LimitExceeded(
            f"the workspace would keep {count:,} revisions of artifacts; the limit is "
            f"{limits.artifact_revisions:,}",
            hint="Let retention take old versions (`safepoint prune`), or use another workspace.",
        )
