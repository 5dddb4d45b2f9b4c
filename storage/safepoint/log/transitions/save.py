"""save_checkpoint: the state, whole or patched, becomes a checkpoint."""

from __future__ import annotations

import orjson

from safepoint.errors import Conflict, InvalidInput
from safepoint.format.document import Document
from safepoint.format.entries import CheckpointEntry, ReferenceEntry, RequestEntry
from safepoint.log.transitions.base import (
    Context,
    Outcome,
    StateChange,
    advance,
    check_text,
    checkpoint,
    fingerprint,
)
from safepoint.model import CheckpointKind
from safepoint.values import dataclass

__all__ = ["Save", "SaveReply"]

KEPT_REQUESTS = 256
_KINDS = frozenset(CheckpointKind)


@dataclass(frozen=True, slots=True)
class SaveReply:
    """The checkpoint, and whether an earlier call with the same request id made it."""

    entry: CheckpointEntry
    repeated: bool


@dataclass(frozen=True, slots=True)
class Save:
    """With `expected_version`, only on exactly that version. With `request_id`, at most once."""

    change: StateChange
    label: str | None = None
    summary: str | None = None
    next_action: str | None = None
    kind: str = "step"
    step: str | None = None
    expected_version: int | None = None
    request_id: str | None = None
    references: tuple[ReferenceEntry, ...] | None = None

    def __call__(self, document: Document, context: Context) -> Outcome[SaveReply]:
        self._check(context)
        if self.request_id is not None:
            for request in document.requests:
                if request.id == self.request_id:
                    return self._repeat(request)
        present = document.version if document.exists else 0
        if self.expected_version not in (None, present):
            raise Conflict(
                f"version {self.expected_version} was expected, "
                f"but the workspace is at version {present}",
                hint="Load it again, merge your change into what is there, and save with the "
                "version you loaded.",
                code="version_conflict",
            )
        changed = advance(
            document,
            context,
            summary=_replaced(document.summary, self.summary),
            next_action=_replaced(document.next_action, self.next_action),
            references=document.references if self.references is None else self.references,
            **self.change.fields(document, context.limits),
        )
        new, entry = checkpoint(
            changed,
            context,
            kind=self.kind,
            label=self.label,
            summary=self.summary,
            step=self.step,
        )
        if self.request_id is not None:
            request = RequestEntry(self.request_id, self._fingerprint(), entry)
            new = new.changed(requests=(*new.requests, request)[-KEPT_REQUESTS:])
        event = {
            "kind": "save",
            "label": self.label,
            "step": self.step,
            "as": None if self.kind == "step" else self.kind,
        }
        return Outcome(SaveReply(entry, False), new, {**event, "state_bytes": entry.size})

    def _check(self, context: Context) -> None:
        limits = context.limits
        if self.kind not in _KINDS:
            raise InvalidInput(
                "kind must be 'step' or 'milestone'", hint="Leave it out for an ordinary save."
            )
        check_text(self.label, "label", limit=limits.label_chars, unit="characters")
        check_text(self.step, "step name", limit=limits.step_chars, unit="characters")
        check_text(self.request_id, "request_id", limit=limits.label_chars, unit="characters")
        check_text(self.summary, "summary", limit=limits.summary_bytes)
        check_text(self.next_action, "next_action", limit=limits.summary_bytes)
        if self.label == "" or self.request_id == "":
            raise InvalidInput(
                "label and request_id must not be empty", hint="Leave them out instead."
            )

    def _fingerprint(self) -> str:
        named: tuple[object, ...] = ()
        if self.references is not None:
            named = ("references", *(orjson.dumps(one.stored) for one in self.references))
        return fingerprint(
            self.change.whole or b"",
            self.change.patch or b"",
            (self.label, self.summary, self.next_action, self.kind, self.step),
            *named,
        )

    def _repeat(self, request: RequestEntry) -> Outcome[SaveReply]:
        if request.fingerprint != self._fingerprint():
            raise Conflict(
                f"request_id {request.id!r} was used for another save (version "
                f"{request.entry.version}); nothing was saved now",
                hint="Use a new request_id for every new save, the same one only to repeat it.",
                code="request_reused",
            )
        return Outcome(SaveReply(request.entry, True))


def _replaced(present: str | None, given: str | None) -> str | None:
    """An empty text clears, none at all leaves what is there."""
    return present if given is None else given or None
