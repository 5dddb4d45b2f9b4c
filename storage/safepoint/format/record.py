"""A commit record: what lies inside the seal of one object of the log.

    version u64 | time u64 (ms) | base version u64 | document length u64 | commit id 16
    | SHA-256 of the previous record's bytes 32 | SHA-256 of the document 32
    | event length u32 | event JSON | document as a delta

Numbers are big-endian. Base version 0 means that the document is whole.
"""

from __future__ import annotations

import struct
from dataclasses import field

import orjson

from safepoint.errors import LimitExceeded
from safepoint.format.delta import MAX_DOCUMENT_BYTES
from safepoint.values import dataclass

__all__ = ["COMMIT_ID_BYTES", "NO_PREVIOUS", "Record", "is_torn", "pack", "unpack"]

COMMIT_ID_BYTES = 16
NO_PREVIOUS = bytes(32)
SECTOR_BYTES = 512
_TAG_BYTES = 16
_FIXED = struct.Struct(">QQQQ16s32s32sI")
MAX_EVENT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One commit. `event` is small JSON: kind, actor and what `history` shows."""

    version: int
    at_ms: int
    base: int
    commit_id: bytes
    previous: bytes
    document_length: int
    document_digest: bytes
    event: dict[str, object] = field(hash=False)
    delta: bytes = field(repr=False)


def pack(record: Record, *, overhead: int) -> bytes:
    """The bytes to seal; `overhead` is what sealing adds. Raises LimitExceeded when the event is
    larger than `unpack` takes.

    A sealed record is never a whole number of disk sectors long, so that a file cut at a sector by
    a power loss cannot be taken for one (see `is_torn`).
    """
    event = orjson.dumps(record.event)
    if (overhead + _FIXED.size + len(event) + len(record.delta)) % SECTOR_BYTES == 0:
        event += b" "
    if len(event) > MAX_EVENT_BYTES:
        raise LimitExceeded(
            f"the texts about this change have {len(event):,} bytes; "
            f"the limit is {MAX_EVENT_BYTES:,}",
            hint="Shorten labels, names and the actor.",
        )
    fixed = _FIXED.pack(
        record.version,
        record.at_ms,
        record.base,
        record.document_length,
        record.commit_id,
        record.previous,
        record.document_digest,
        len(event),
    )
    return fixed + event + record.delta


def unpack(data: bytes) -> Record:
    """The record. Raises ValueError when the bytes are not one."""
    if len(data) < _FIXED.size:
        raise ValueError("shorter than a record's header")
    version, at_ms, base, length, commit_id, previous, digest, event_length = _FIXED.unpack_from(
        data
    )
    end = _FIXED.size + event_length
    if event_length > MAX_EVENT_BYTES or end > len(data) or length > MAX_DOCUMENT_BYTES:
        raise ValueError("a length in the record's header is out of range")
    event = orjson.loads(data[_FIXED.size : end])
    if not isinstance(event, dict):
        raise ValueError("the record's event is not an object")
    return Record(version, at_ms, base, commit_id, previous, length, digest, event, data[end:])


def is_torn(data: bytes) -> bool:
    """Whether a stored record may be what a power loss leaves of one that was never acknowledged:
    nothing, whole sectors only, or zeros where its end should be.

    No record that was written whole looks so, whichever of its bits is flipped.
    """
    return len(data) % SECTOR_BYTES == 0 or not any(data[-_TAG_BYTES:])
