"""What LangGraph's calls do to a document: pure operations, and the command that commits some.

Rules. A put makes its checkpoint the one in play of its namespace; what was in play there, and in
the namespaces of its subgraphs, leaves, since their step is over. What a commit brings itself stays
until the next one, since no version has held it yet. Among regular writes of one task the
first one with a number wins, special ones (negative numbers) replace each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from safepoint.errors import Conflict, SafepointError
from safepoint.format.document import Document
from safepoint.format.entries import RetentionEntry
from safepoint.integrations.langgraph.index import (
    Channel,
    Held,
    Index,
    Key,
    Line,
    Page,
    Version,
    Write,
    index_of,
    is_below,
    is_thread,
    lines_of,
    space_record,
    space_versions,
    text_of,
    with_index,
)
from safepoint.integrations.langgraph.packed import Blob, NewWrite
from safepoint.log.transitions import Context, Outcome
from safepoint.log.transitions.base import advance
from safepoint.values import dataclass

__all__ = ["AddWrites", "Copy", "Draft", "Operation", "Put", "Rewrite", "Together"]

_PAGE_BYTES = 24 * 1024


class Draft:
    """A document on its way to the next version, changed by one operation after the other."""

    def __init__(self, document: Document) -> None:
        index = index_of(document)
        self.document = document
        self._before = {held.key: held for held in index.held}
        self.held = dict(self._before)
        self.values: dict[str, bytes] = {}
        self.touched: set[Key] = set()
        self.changed = False
        self._index = index
        self._left: list[Line] = []
        self._spaces = b""
        self._next = index.next

    def newest(self, ns: str) -> Held | None:
        return Index(tuple(self.held.values())).newest(ns)

    def hold(self, held: Held) -> None:
        self.held[held.key] = held
        self.touched.add(held.key)
        self.changed = True

    def keep(self, blob: Blob | None) -> tuple[str, str]:
        """The kind and the new region of a value; of none, no region."""
        if blob is None:
            return "", ""
        region = f"langgraph/{self._next}"
        self._next += 1
        self.values[region] = blob.data
        return blob.kind, region

    def leave(self, held: Held) -> None:
        """Out of play, to be read from the present version. What that does not hold yet stays: a
        checkpoint that is new, or writes that are new."""
        before = self._before.get(held.key)
        if held.key not in self.touched:
            del self.held[held.key]
        elif before is None or before.loose or before.body is not held.body:
            return
        else:
            known = set(before.writes)
            writes = tuple(write for write in held.writes if write not in known)
            self.held[held.key] = Held(held.ns, held.id, writes=writes)
        self._left.append(Line.of(held, self.document.version))

    def leave_space(self, ns: str) -> None:
        """The whole namespace out of play."""
        newest = self.newest(ns)
        for held in [held for held in self.held.values() if held.ns == ns]:
            self.leave(held)
        if newest is not None and self.newest(ns) != newest:
            self._spaces += space_record(ns, self.document.version)

    def enter_space(self, ns: str) -> None:
        """What is put next is newer than all of the namespace that is not in play."""
        if self.newest(ns) is None and space_versions(self._index.spaces, ns):
            self._spaces += space_record(ns, 0)

    def start_over(self, lines: tuple[Line, ...], spaces: bytes) -> None:
        """Forget all trails before; these lines and these namespaces are all there is."""
        self._index = replace(self._index, pages=(), trail=b"", spaces=spaces)
        self._left = [*lines, *self._left]
        self.changed = True

    def finish(self, context: Context) -> Document:
        pages, trail = self._index.pages, self._index.trail
        if self._left and len(trail) > _PAGE_BYTES:
            ids = [line.id for line in lines_of(trail)]
            pages = (*pages, Page(self.document.version, min(ids), max(ids)))
            trail = b""
        index = Index(
            held=tuple(self.held.values()),
            pages=pages,
            trail=trail + text_of(self._left),
            spaces=self._index.spaces + self._spaces,
            next=self._next,
        )
        new = advance(self.document, context)
        if not is_thread(self.document) and new.retention is None:
            new = new.changed(retention=RetentionEntry())  # all: older versions are in use
        return with_index(new, index, self.values)


class Operation(Protocol):
    """Changes a draft and answers, or raises a SafepointError and has changed nothing."""

    def __call__(self, draft: Draft) -> Any: ...


@dataclass(frozen=True, slots=True)
class Put:
    """A checkpoint. `values` are those of changed channels, or of all of them; one of `versions`
    without a value keeps that of the parent, if it is in play with the same version.

    The reply is whether that sufficed: False asks for the values in `kept`, with nothing changed.
    With `newest`, its parent must be the newest of its namespace as long as that is in play.
    """

    ns: str
    id: str
    parent: str | None
    body: Any
    metadata: Any
    versions: Mapping[str, Version | None]
    values: Mapping[str, Blob]
    kept: frozenset[str] = frozenset()
    newest: bool = False
    hidden: bool = False

    def __call__(self, draft: Draft) -> bool:
        present = draft.held.get((self.ns, self.id))
        if self.newest:
            self._check(draft)
        parent = draft.held.get((self.ns, self.parent or ""))
        old = parent.channels if parent is not None else {}
        if not all(_has_value(old.get(name), self.versions[name]) for name in self.kept):
            return False
        channels: dict[str, Channel] = {}
        for name, version in self.versions.items():
            if name in self.values:
                channels[name] = Channel(version, *draft.keep(self.values[name]))
            elif name in self.kept:
                channels[name] = old[name]
            else:
                channels[name] = Channel(version, "", "")
        if self.newest:
            draft.enter_space(self.ns)
        self._make_room(draft)
        held = Held(self.ns, self.id, self.parent, self.body, self.metadata, channels)
        writes = present.writes if present is not None else ()
        draft.hold(replace(held, writes=writes, hidden=self.hidden))
        return True

    def _check(self, draft: Draft) -> None:
        newest = draft.newest(self.ns)
        if newest is None or newest.id in (self.parent, self.id):
            return
        raise Conflict(
            f"checkpoint {self.parent or '(none)'} was followed by {newest.id}, which another "
            "writer of this thread saved meanwhile; nothing was saved",
            hint="Run again: the thread goes on from its newest checkpoint. To branch off an "
            "older one on purpose, pass its checkpoint_id.",
            code="checkpoint_conflict",
        )

    def _make_room(self, draft: Draft) -> None:
        newest = draft.newest(self.ns)
        stay = newest.id if newest is not None and newest.id > self.id else self.id
        for held in list(draft.held.values()):
            if held.ns == self.ns and held.id not in (self.id, stay):
                draft.leave(held)
        for ns in {held.ns for held in draft.held.values() if is_below(held.ns, self.ns)}:
            draft.leave_space(ns)


@dataclass(frozen=True, slots=True)
class AddWrites:
    """Writes to a checkpoint, wherever it is."""

    ns: str
    id: str
    writes: tuple[NewWrite, ...]

    def __call__(self, draft: Draft) -> None:
        held = draft.held.get((self.ns, self.id)) or Held(self.ns, self.id)
        found = {(write.task, write.idx): write for write in held.writes}
        fresh = dict(found)
        for new in self.writes:
            number = (new.task, new.idx)
            if new.idx < 0 or number not in fresh:
                kind, region = draft.keep(new.blob)
                fresh[number] = Write(new.task, new.path, new.idx, new.channel, kind, region)
        if fresh != found:
            draft.hold(replace(held, writes=tuple(fresh.values())))


@dataclass(frozen=True, slots=True)
class Copy:
    """A checkpoint with its writes, as another thread has it."""

    put: Put
    writes: AddWrites

    def __call__(self, draft: Draft) -> None:
        self.put(draft)
        self.writes(draft)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Forget checkpoints: of those in play all but `stay` leave or, unless in `lines`, are gone; of
    the others only `lines` remain. The reply is False, with nothing changed, if the thread is not
    at `version` any more."""

    version: int
    stay: frozenset[Key]
    lines: tuple[Line, ...]
    spaces: bytes

    def __call__(self, draft: Draft) -> bool:
        if draft.document.version != self.version or draft.touched:
            return False
        draft.held = {key: held for key, held in draft.held.items() if key in self.stay}
        draft.start_over(self.lines, self.spaces)
        return True


@dataclass(frozen=True, slots=True)
class Together:
    """Some operations in one commit. The reply is that of each: what it answers or raises."""

    operations: tuple[Operation, ...]

    def __call__(self, document: Document, context: Context) -> Outcome[tuple[Any, ...]]:
        draft, replies = Draft(document), list[Any]()
        for operation in self.operations:
            try:
                replies.append(operation(draft))
            except SafepointError as refusal:
                replies.append(refusal)
        if not draft.changed:
            return Outcome(tuple(replies))
        return Outcome(tuple(replies), draft.finish(context), self._event())

    def _event(self) -> dict[str, Any]:
        puts = [one.id for one in self.operations if isinstance(one, Put)]
        writes = {one.id for one in self.operations if isinstance(one, AddWrites)}
        if puts:
            return {"kind": "langgraph_put", "checkpoint": ", ".join(puts)}
        if writes:
            return {"kind": "langgraph_writes", "checkpoint": ", ".join(sorted(writes))}
        return {"kind": "langgraph_upkeep"}


def _has_value(old: Channel | None, version: Version | None) -> bool:
    return old is not None and old.version == version and bool(old.region)
