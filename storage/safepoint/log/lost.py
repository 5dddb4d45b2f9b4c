"""What stands in the place of a record that damage took and a repair gave up: sealed, of a kind of
its own, so that the number stays taken and nothing takes it for a commit.

Its event tells why, where the damaged bytes are kept, and which digest the next record names.
"""

from __future__ import annotations

import hashlib

from safepoint.crypto.envelope import OVERHEAD, Place, Random, seal, unseal
from safepoint.errors import Damaged, Unsupported
from safepoint.format import record
from safepoint.format.keys import log_key
from safepoint.format.record import COMMIT_ID_BYTES, NO_PREVIOUS, Record
from safepoint.log.codec import Codec
from safepoint.log.transitions.base import when

__all__ = [
    "LOST",
    "LOST_VERSION",
    "REPAIR",
    "lost_error",
    "open_any",
    "open_lost",
    "open_record",
    "repair_hint",
    "seal_lost",
    "to_follow",
]

LOST = "lost"
LOST_VERSION = "lost_version"
REPAIR = "repair"  # the event of a version that restores an older one after lost ones


def seal_lost(
    codec: Codec, version: int, event: dict[str, object], *, at_ms: int, random: Random
) -> bytes:
    """The object for a version that is given up."""
    made = Record(
        version, at_ms, 0, random(COMMIT_ID_BYTES), NO_PREVIOUS, 0, NO_PREVIOUS,
        {**event, "kind": LOST}, b"",
    )  # fmt: skip
    packed, key_id = record.pack(made, overhead=OVERHEAD), max(codec.secrets)
    return seal(codec.secrets[key_id], key_id, _place(codec, version), packed, random=random)


def open_lost(codec: Codec, version: int, data: bytes) -> Record | None:
    """The object's record if it is such a one of this version, else None."""
    try:
        opened = record.unpack(unseal(codec.secrets, _place(codec, version), data))
    except (Damaged, Unsupported, ValueError):
        return None
    return opened if opened.version == version else None


def to_follow(opened: Record, data: bytes) -> bytes | None:
    """The digest that the next record has to name; None when that of a lost one is not known."""
    if opened.event.get("kind") != LOST:
        return hashlib.sha256(data).digest()
    stated = opened.event.get("stands_for")
    return bytes.fromhex(stated) if isinstance(stated, str) else None


def open_record(codec: Codec, version: int, data: bytes) -> Record:
    """See Codec.open. Raises Damaged, which says how to go on, also for what was given up."""
    try:
        return codec.open(version, data)
    except Damaged as error:
        if lost := open_lost(codec, version, data):
            raise lost_error(codec.name, lost) from None
        hint = f"{error.hint} {repair_hint(codec.name)}"
        raise type(error)(error.message, hint=hint, code=error.code) from None


def open_any(codec: Codec, version: int, data: bytes) -> Record:
    """The record of a version, or what stands in its place. Raises as `open_record`."""
    try:
        return open_record(codec, version, data)
    except Damaged as error:
        if error.code == LOST_VERSION and (lost := open_lost(codec, version, data)):
            return lost
        raise


def lost_error(name: str, lost: Record) -> Damaged:
    """For a reader of a version that was given up, or that would be rebuilt from it."""
    at = when(lost.at_ms)
    return Damaged(
        f"version {lost.version} of workspace {name!r} is lost: its record was damaged, and a "
        f"repair on {at:%Y-%m-%d} gave it up",
        hint="Load another version; list_checkpoints (or `safepoint history`) shows them.",
        code=LOST_VERSION,
    )


def repair_hint(name: str) -> str:
    """The way out where there is no copy of the store."""
    return f"Without a copy, `safepoint verify {name} --repair` goes on from what is intact."


def _place(codec: Codec, version: int) -> Place:
    return Place(codec.store_id, codec.workspace_id, LOST, log_key(codec.name, version))
