"""The document: all that a workspace is at one version, as a JSON head and raw byte regions.

    format u8 | head length u32 | head JSON | regions, in the order that the head lists them

What clients gave (state, results) lies in regions, byte for byte; the head holds Safepoint's own
fields. So a step can be marked without touching a large state, and bytes need no base64.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import orjson

from safepoint.model import Actor

__all__ = [
    "EMPTY",
    "STATE",
    "CheckpointEntry",
    "Document",
    "RequestEntry",
    "StepEntry",
    "decode",
    "encode",
    "result_region",
]

FORMAT = 1
STATE = "state"
_PREFIX = struct.Struct(">BI")


def result_region(step: str) -> str:
    return "result/" + step


@dataclass(frozen=True, slots=True)
class StepEntry:
    """A step; what is stored leaves out the fields that have their default.

    Times are milliseconds since 1970; `token` is the fencing token.
    `status` is never `interrupted`: that is `running` seen after `lease_ms`.
    `doubt` says that an attempt never reported, so that its effect may have happened.
    `mark` is the fingerprint of what mark_step_done was given, to tell a repeat from a change.
    """

    status: str = "pending"
    title: str | None = None
    after: tuple[str, ...] = ()
    attempts: int = 0
    input: str | None = None
    token: int | None = None
    lease_ms: int | None = None
    holder: Actor | None = None
    started_ms: int | None = None
    finished_ms: int | None = None
    finished_version: int | None = None
    error: str | None = None
    retryable: bool | None = None
    retry_ms: int | None = None
    summary: str | None = None
    mark: str | None = None
    doubt: bool = False
    stored: orjson.Fragment = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep the stored form: a run may have 10,000 steps, of which a commit changes one."""
        given = {name: getattr(self, name) for name in _STEP_DEFAULTS}
        changed = {n: v for n, v in given.items() if v != _STEP_DEFAULTS[n]}
        object.__setattr__(self, "stored", orjson.Fragment(orjson.dumps(changed)))


_STEP_DEFAULTS = {f.name: f.default for f in fields(StepEntry) if f.init}


@dataclass(frozen=True, slots=True)
class CheckpointEntry:
    """A checkpoint as the index holds it; `sha256` and `size` are of the state region."""

    version: int
    run: int
    at_ms: int
    kind: str
    label: str | None
    summary: str | None
    step: str | None
    size: int
    sha256: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class RequestEntry:
    """A save that carried a request id, kept so that its repeat can be told and answered."""

    id: str
    fingerprint: str
    entry: CheckpointEntry


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a workspace. Never changed in place: commands return new ones.

    `checkpoints` is the index of this version's own block only; `latest` is the newest checkpoint
    of all. `state_sha256` is that of the state region, empty while there is none.
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
    steps: Mapping[str, StepEntry] = field(default_factory=lambda: MappingProxyType({}))
    checkpoints: tuple[CheckpointEntry, ...] = ()
    requests: tuple[RequestEntry, ...] = ()
    regions: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @property
    def state(self) -> bytes | None:
        """The state's JSON, or None while none was saved."""
        return self.regions.get(STATE)


EMPTY = Document()
_HEAD_FIELDS = tuple(f.name for f in fields(Document) if f.name != "regions")


def encode(document: Document) -> bytes:
    """The stored form; the same document always gives the same bytes."""
    head: dict[str, Any] = {name: getattr(document, name) for name in _HEAD_FIELDS}
    head["steps"] = {name: entry.stored for name, entry in document.steps.items()}
    head["regions"] = [[name, len(data)] for name, data in document.regions.items()]
    text = orjson.dumps(head)
    return b"".join((_PREFIX.pack(FORMAT, len(text)), text, *document.regions.values()))


def decode(data: bytes) -> Document:
    """The document. Raises ValueError when the bytes are not one, or of a newer format."""
    if len(data) < _PREFIX.size:
        raise ValueError("shorter than a document's prefix")
    version, length = _PREFIX.unpack_from(data)
    if version != FORMAT:
        raise ValueError(f"document format {version} is unknown to this version; upgrade Safepoint")
    end = _PREFIX.size + length
    try:
        head: dict[str, Any] = orjson.loads(data[_PREFIX.size : end])
        regions: dict[str, bytes] = {}
        for name, size in head.pop("regions"):
            regions[name] = data[end : end + size]
            end += size
        head["steps"] = {name: _step(entry) for name, entry in head["steps"].items()}
        head["checkpoints"] = tuple(_checkpoint(entry) for entry in head["checkpoints"])
        head["latest"] = None if head["latest"] is None else _checkpoint(head["latest"])
        head["requests"] = tuple(
            RequestEntry(e["id"], e["fingerprint"], _checkpoint(e["entry"]))
            for e in head["requests"]
        )
        document = Document(**head, regions=regions)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a document: {error}") from None
    if end != len(data):
        raise ValueError("the regions do not fill the document")
    return document


def _step(entry: dict[str, Any]) -> StepEntry:
    entry["after"] = tuple(entry.get("after", ()))
    if "holder" in entry:
        entry["holder"] = Actor(**entry["holder"])
    return StepEntry(**entry)


def _checkpoint(entry: dict[str, Any]) -> CheckpointEntry:
    entry["actor"] = Actor(**entry["actor"])
    return CheckpointEntry(**entry)
