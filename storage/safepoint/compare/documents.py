"""Two documents of one workspace side by side. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from safepoint.compare.values import MISSING, Collected, compare_json
from safepoint.format.document import Document, result_region
from safepoint.format.entries import ApprovalEntry, ArtifactEntry, StepEntry
from safepoint.format.jsontext import decode_json, json_start
from safepoint.log.transitions.artifact import as_at
from safepoint.model import ChangeKind, Changes, Comparison

__all__ = ["compare_documents"]

T = TypeVar("T")


def compare_documents(
    name: str, old: Document, new: Document, *, limit: int, value_chars: int
) -> Comparison:
    """At most `limit` changes of each kind of thing, with values of `value_chars`."""
    state = Changes()
    if old.state_sha256 != new.state_sha256:
        before = MISSING if old.state is None else decode_json(old.state)
        after = MISSING if new.state is None else decode_json(new.state)
        state = compare_json(before, after, limit=limit, value_chars=value_chars)

    def named(
        before: Mapping[str, T], after: Mapping[str, T], words: Callable[[Document, str, T], str]
    ) -> Changes:
        found = Collected(limit, value_chars)
        for key in (*after, *(key for key in before if key not in after)):
            was = words(old, key, before[key]) if key in before else None
            now = words(new, key, after[key]) if key in after else None
            _add(found, key, was, now)
        return found.changes()

    return Comparison(
        workspace=name,
        from_version=old.version,
        to_version=new.version,
        state=state,
        steps=named(old.steps, new.steps, _step),
        approvals=named(old.approvals, new.approvals, _approval),
        artifacts=named(_files(old), _files(new), _artifact),
        fields=_fields(old, new, value_chars),
    )


def _add(found: Collected, key: str, was: str | None, now: str | None) -> None:
    if was == now:
        return
    kind = ChangeKind.CHANGED
    if was is None or now is None:
        kind = ChangeKind.ADDED if was is None else ChangeKind.REMOVED
    found.add(kind, key, old=was, new=now)


def _step(document: Document, name: str, entry: StepEntry) -> str:
    """Status, attempts and what was recorded, in words."""
    words = [f"{entry.status} in run {document.run}" if document.run > 1 else entry.status]
    if entry.attempts:
        words.append(f"{entry.attempts} attempt{'s' if entry.attempts > 1 else ''}")
    result = document.regions.get(result_region(name))
    if result is not None:
        words.append(f"result {json_start(result, 2000)}")
    told = (("error", entry.error), ("summary", entry.summary), ("title", entry.title))
    words += [f"{what} {text!r}" for what, text in told if text]
    if entry.after:
        words.append(f"after {', '.join(entry.after)}")
    if entry.needs:
        words.append(f"needs approval {', '.join(entry.needs)}")
    return ", ".join(words)


def _approval(document: Document, name: str, entry: ApprovalEntry) -> str:
    words = [entry.status]
    if entry.decided_by is not None:
        words[0] += f" by {entry.decided_by.name}"
    told = (("answer", entry.answer), ("comment", entry.comment), ("used by", entry.used_by))
    return ", ".join(words + [f"{what} {text}" for what, text in told if text])


def _files(document: Document) -> Mapping[str, ArtifactEntry]:
    found = {
        name: as_at(revisions, document.version) for name, revisions in document.artifacts.items()
    }
    return {name: entry for name, entry in found.items() if entry is not None}


def _artifact(document: Document, name: str, entry: ArtifactEntry) -> str:
    executable = ", executable" if entry.executable else ""
    return f"{entry.size:,} bytes, {entry.media_type}{executable}, sha256 {entry.sha256[:16]}…"


def _fields(old: Document, new: Document, value_chars: int) -> Changes:
    found = Collected(len(_FIELDS), value_chars)
    for name, read in _FIELDS.items():
        _add(found, name, read(old), read(new))
    return found.changes()


def _label(document: Document) -> str | None:
    return document.latest.label if document.latest is not None else None


def _references(document: Document) -> str | None:
    return ", ".join(f"{entry.kind} {entry.location}" for entry in document.references) or None


_FIELDS: Mapping[str, Callable[[Document], Any]] = {
    "goal": lambda document: document.goal,
    "summary": lambda document: document.summary,
    "next_action": lambda document: document.next_action,
    "label": _label,
    "run": lambda document: str(document.run),
    "references": _references,
}
