"""The document: all that a workspace is at one version, as a JSON head and raw byte regions.

    format u8 | head length u32 | head JSON | regions, in the order that the head lists them

What clients gave (state, results) lies in regions, byte for byte; the head holds Safepoint's own
fields. So a step can be marked without touching a large state, and bytes need no base64.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import field, fields
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
        for name, reader in _READERS.items():
            if name in head:
                head[name] = reader(head[name])
        document = Document(**head, regions=regions)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a document: {error}") from None
    if end != len(data):
        raise ValueError("the regions do not fill the document")
    return document


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


def _each(kind: type[Entry]) -> Callable[[list[Any]], tuple[Any, ...]]:
    return lambda stored: tuple(kind.read(entry) for entry in stored)


def _named(kind: type[Entry]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda stored: {name: kind.read(entry) for name, entry in stored.items()}


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "steps": _named(StepEntry),
    "checkpoints": _each(CheckpointEntry),
    "latest": lambda stored: None if stored is None else CheckpointEntry.read(stored),
    "requests": _each(RequestEntry),
    "approvals": _named(ApprovalEntry),
    "artifacts": lambda stored: {
        name: tuple(map(ArtifactEntry.read, entries)) for name, entries in stored.items()
    },
    "references": _each(ReferenceEntry),
    "runs": _each(RunEntry),
    "origin": OriginEntry.read,
    "forks": _each(ForkEntry),
    "retention": RetentionEntry.read,
    "repaired": RepairEntry.read,
    "pins": tuple,
}
