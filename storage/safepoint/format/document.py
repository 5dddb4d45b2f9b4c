"""The document: all that a workspace is at one version, as a JSON head and raw byte regions.

    format u8 | head length u32 | head JSON | regions, in the order that the head lists them

What clients gave (state, results) lies in regions, byte for byte; the head holds Safepoint's own
fields. So a step can be marked without touching a large state, and bytes need no base64.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from itertools import chain, repeat
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

import orjson

from safepoint.format.entries import (
    ApprovalEntry,
    ArtifactEntry,
    ArtifactTable,
    CheckpointEntry,
    Entry,
    ForkEntry,
    OriginEntry,
    ReferenceEntry,
    RepairEntry,
    RequestEntry,
    RetentionEntry,
    RunEntry,
    StepEntry,
    newer,
)
from safepoint.values import dataclass

__all__ = [
    "EMPTY",
    "KEPT",
    "STATE",
    "Decoder",
    "Document",
    "approval_region",
    "decode",
    "encode",
    "result_region",
]

FORMAT = 1
STATE = "state"
KEPT = "kept"  # a region of Safepoint's own: see format/versions.py
_PREFIX = struct.Struct(">BI")
_PLAIN: Final = frozenset((bool, int, str))
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def result_region(step: str) -> str:
    return "result/" + step


def approval_region(approval: str) -> str:
    """Where the subject of an approval lies."""
    return "approval/" + approval


@dataclass(frozen=True)
class Document:
    """One version of a workspace. Never changed in place: commands return new ones (`changed`).

    `checkpoints` is the index of this version's own block only; `latest` is the newest checkpoint
    of all. `state_sha256` is that of the state region, empty while there is none. `artifacts` has
    all revisions of each name, oldest first. Versions below `floor` were pruned unless the region
    `kept` names them. A `deleted` workspace has nothing but its version. `worked` is the newest
    version in which work was done when that is not this one, but a decision or upkeep.
    """

    version: int = 0
    run: int = 1
    created_ms: int = 0
    updated_ms: int = 0
    goal: str | None = None
    next_action: str | None = None
    summary: str | None = None
    state_sha256: str = ""
    latest: CheckpointEntry | None = None
    steps: Mapping[str, StepEntry] = field(default_factory=lambda: _NOTHING)
    checkpoints: tuple[CheckpointEntry, ...] = ()
    requests: tuple[RequestEntry, ...] = ()
    approvals: Mapping[str, ApprovalEntry] = field(default_factory=lambda: _NOTHING)
    artifacts: Mapping[str, tuple[ArtifactEntry, ...]] = field(default_factory=lambda: _NOTHING)
    references: tuple[ReferenceEntry, ...] = ()
    run_first: int = 1
    run_ms: int = 0
    runs: tuple[RunEntry, ...] = ()
    origin: OriginEntry | None = None
    forks: tuple[ForkEntry, ...] = ()
    retention: RetentionEntry | None = None
    pins: tuple[int, ...] = ()
    floor: int = 0
    pruned_ms: int = 0
    pruned_by: str | None = None
    deleted: bool = False
    repaired: RepairEntry | None = None
    worked: int = 0
    worked_ms: int = 0
    regions: Mapping[str, bytes] = field(default_factory=lambda: _NOTHING, repr=False)

    def __post_init__(self) -> None:
        if self.artifacts and not isinstance(self.artifacts, ArtifactTable):
            object.__setattr__(self, "artifacts", ArtifactTable(self.artifacts))

    def changed(self, **fields: Any) -> Document:
        """The same with other values of these fields.

        Every commit makes several, and `dataclasses.replace` takes ten times as long for each.
        Raises TypeError for a name that is no field's.
        """
        new = object.__new__(Document)
        new.__dict__.update(self.__dict__, **fields)
        if len(new.__dict__) != len(self.__dict__):
            raise TypeError(f"not fields of a document: {fields.keys() - self.__dict__.keys()}")
        new.__post_init__()
        return new

    @property
    def exists(self) -> bool:
        """Whether there is a workspace: not before its first version, nor once it is deleted."""
        return self.version > 0 and not self.deleted

    @property
    def state(self) -> bytes | None:
        """The state's JSON, or None while none was saved."""
        return self.regions.get(STATE)


EMPTY = Document()

_HEAD = tuple((f.name, getattr(EMPTY, f.name)) for f in fields(Document) if f.name != "regions")
_values: Final = attrgetter(*(name for name, _ in _HEAD))
_ALWAYS: Final = frozenset(name for name, _ in _HEAD[:12])  # all that the first documents had


def encode(document: Document) -> bytes:
    """The stored form; the same document always gives the same bytes."""
    head = {
        name: _stored(value)
        for (name, default), value in zip(_HEAD, _values(document), strict=True)
        if name in _ALWAYS or value != default
    }
    head["regions"] = [[name, len(data)] for name, data in document.regions.items()]
    text = orjson.dumps(head)
    return b"".join((_PREFIX.pack(FORMAT, len(text)), text, *document.regions.values()))


def decode(data: bytes) -> Document:
    """The document.

    Raises:
        ValueError: the bytes are not one.
        Unsupported: it was written by a newer version of Safepoint.
    """
    return Decoder().decode(data)


class Decoder:
    """Decodes documents that follow each other, each as `decode` does.

    It keeps the entries of the last one: those of the next that are stored alike are the same
    objects, for to compare them takes a fraction of the time to read them.
    """

    def __init__(self) -> None:
        self._stored: dict[str, Any] = {}
        self._read: dict[str, Any] = {}

    def decode(self, data: bytes) -> Document:
        """See `decode`."""
        if len(data) < _PREFIX.size:
            raise ValueError("shorter than a document's prefix")
        version, length = _PREFIX.unpack_from(data)
        if version != FORMAT:
            raise newer(f"is of format {version}")
        end = _PREFIX.size + length
        try:
            head: dict[str, Any] = orjson.loads(data[_PREFIX.size : end])
            regions: dict[str, bytes] = {}
            for name, size in head.pop("regions"):
                regions[name] = data[end : end + size]
                end += size
            if unknown := head.keys() - {name for name, _ in _HEAD}:
                raise newer(f"holds {', '.join(sorted(unknown))}")
            if absent := _ALWAYS - head.keys():
                raise KeyError(*absent)
            document = Document(**head | self._entries(head), regions=regions)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a document: {error}") from None
        if end != len(data):
            raise ValueError("the regions do not fill the document")
        return document

    def _entries(self, stored: dict[str, Any]) -> dict[str, Any]:
        """All that is more than a plain value."""
        read = {
            name: reader(stored[name], self._stored.get(name), self._read.get(name))
            for name, reader in _READERS.items()
            if name in stored
        }
        self._stored, self._read = stored, read
        return read


def _stored(value: Any) -> Any:
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, Entry | ArtifactTable):
        return value.stored
    if value and isinstance(value, tuple):
        return [one.stored for one in value] if isinstance(value[0], Entry) else value
    if isinstance(value, Mapping):
        return {name: _stored(item) for name, item in value.items()}
    return value


_Reader = Callable[[Any, Any, Any], Any]
"""Reads what is stored. The others are what the document before stored there, and what that was
read as; or None."""
_NEVER: Final = object()


def _one(read: Callable[[Any], Any]) -> _Reader:
    return lambda stored, old, was: was if stored == old else read(stored)


def _each(read: Callable[[Any], Any]) -> _Reader:
    def every(stored: list[Any], old: list[Any] | None, was: tuple[Any, ...]) -> tuple[Any, ...]:
        if not old:
            return tuple(map(read, stored))
        before = chain(zip(old, was, strict=True), repeat((_NEVER, None)))
        return tuple(
            known if one == seen else read(one)
            for one, (seen, known) in zip(stored, before, strict=False)
        )

    return every


def _named(read: Callable[[Any], Any]) -> _Reader:
    def every(
        stored: dict[str, Any], old: dict[str, Any] | None, was: dict[str, Any]
    ) -> dict[str, Any]:
        seen = old or {}
        return {
            name: was[name] if one == seen.get(name, _NEVER) else read(one)
            for name, one in stored.items()
        }

    return every


_READERS: Final[Mapping[str, _Reader]] = {
    "steps": _named(StepEntry.read),
    "checkpoints": _each(CheckpointEntry.read),
    "latest": lambda stored, *_: None if stored is None else CheckpointEntry.read(stored),
    "requests": _each(RequestEntry.read),
    "approvals": _named(ApprovalEntry.read),
    "artifacts": _named(lambda entries: tuple(map(ArtifactEntry.read, entries))),
    "references": _each(ReferenceEntry.read),
    "runs": _each(RunEntry.read),
    "origin": _one(OriginEntry.read),
    "forks": _each(ForkEntry.read),
    "retention": _one(RetentionEntry.read),
    "repaired": _one(RepairEntry.read),
    "pins": _one(tuple),
}
