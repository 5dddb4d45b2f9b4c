"""The commands of a session: pure functions from a document to an outcome, one commit for each."""

from __future__ import annotations

from typing import Any, TypeVar

from safepoint.format.document import Document
from safepoint.integrations.openai_agents.items import cut_last, inner, joined, listed
from safepoint.log.transitions import Context, Outcome, StateChange
from safepoint.log.transitions.base import advance, checkpoint
from safepoint.values import dataclass

__all__ = ["Add", "Clear", "Pop", "ReplaceFirst", "ReplaceLast"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Add:
    """A batch joins the end, whole."""

    items: bytes

    def __call__(self, document: Document, context: Context) -> Outcome[None]:
        if not self.items:
            return Outcome(None)
        return _changed(document, context, joined(inner(document), self.items), "add", None)


@dataclass(frozen=True, slots=True)
class Pop:
    """The last item leaves. The reply is that item, None when there was none."""

    def __call__(self, document: Document, context: Context) -> Outcome[Any]:
        present = inner(document)
        if not present:
            return Outcome(None)
        last, rest = cut_last(present)
        return _changed(document, context, rest, "pop", last)


@dataclass(frozen=True, slots=True)
class Clear:
    """All items leave; what else is in the workspace stays."""

    def __call__(self, document: Document, context: Context) -> Outcome[None]:
        if not inner(document):
            return Outcome(None)
        return _changed(document, context, b"", "clear", None)


@dataclass(frozen=True, slots=True)
class ReplaceFirst:
    """`items` take the place of `seen` if the session still begins with it; what was added since
    stays behind them. The reply is whether it did."""

    seen: bytes
    items: bytes

    def __call__(self, document: Document, context: Context) -> Outcome[bool]:
        present = inner(document)
        if present == self.seen:
            rest = b""
        elif self.seen and present.startswith(self.seen + b","):
            rest = present[len(self.seen) + 1 :]
        else:
            return Outcome(False)
        return _replaced(document, context, joined(self.items, rest))


@dataclass(frozen=True, slots=True)
class ReplaceLast:
    """`items` take the place of `seen` if the session still ends with it. The reply is whether it
    did."""

    seen: bytes
    items: bytes

    def __call__(self, document: Document, context: Context) -> Outcome[bool]:
        present = inner(document)
        if present == self.seen:
            before = b""
        elif self.seen and present.endswith(b"," + self.seen):
            before = present[: -len(self.seen) - 1]
        else:
            return Outcome(False)
        return _replaced(document, context, joined(before, self.items))


def _replaced(document: Document, context: Context, items: bytes) -> Outcome[bool]:
    if items == inner(document):
        return Outcome(True)
    return _changed(document, context, items, "compact", True)


def _changed(document: Document, context: Context, items: bytes, what: str, reply: R) -> Outcome[R]:
    """The document with these items, as a checkpoint like any other."""
    state = listed(items)
    change = StateChange(whole=state, size=len(state))
    new, entry = checkpoint(
        change.apply(advance(document, context), context.limits),
        context,
        kind="step",
        label=None,
        summary=None,
        step=None,
    )
    event = {"kind": "save", "session": what, "state_bytes": entry.size}
    return Outcome(reply, new, event)
