"""Sealing one object of any size in segments that can be opened one by one, as STREAM does.

    magic "SFPT" | format 1 | algorithm 2 | key id u32 | salt 16 | commitment 32 | segments
    key 32, commitment 32 = HKDF-SHA256(secret, salt, info = label, kind and key of the object)
    segment = AES-256-GCM(key, nonce, at most 1 MiB of plaintext, AAD = everything before the
    segments, and the place), 16 bytes longer; nonce = index u88 | 1 for the last one, else 0

Numbers are big-endian. All segments but the last are full; the last is empty only in an object that
is. A segment that was moved, swapped or repeated has another index, and an object that was cut at a
segment's end lacks the mark of the last one. The commitment is compared first, as in `envelope`.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Mapping
from dataclasses import field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from safepoint.crypto.envelope import FORMAT, MAGIC, KeyMismatch, Place, Random, derive
from safepoint.errors import Damaged, Unsupported
from safepoint.values import dataclass

__all__ = [
    "HEADER_BYTES",
    "SEALED_SEGMENT_BYTES",
    "SEGMENT_BYTES",
    "Segments",
    "open_header",
    "sealed_bytes",
    "segment_count",
    "start_sealing",
    "truncated",
]

ALGORITHM = 2
SEGMENT_BYTES = 1024 * 1024
_HEADER = struct.Struct(">4sBBI16s32s")
_TAG_BYTES = 16
HEADER_BYTES = _HEADER.size
SEALED_SEGMENT_BYTES = SEGMENT_BYTES + _TAG_BYTES


def segment_count(size: int) -> int:
    """Of an object with `size` bytes of plaintext."""
    return max(1, -(-size // SEGMENT_BYTES))


def sealed_bytes(size: int) -> int:
    """The whole object, for `size` bytes of plaintext."""
    return HEADER_BYTES + size + segment_count(size) * _TAG_BYTES


@dataclass(frozen=True, slots=True, repr=False)
class Segments:
    """The segments of one object, sealed or opened in any order. Threads may share it."""

    header: bytes
    name: str
    _bound: bytes
    _key: AESGCM = field(compare=False)

    def seal(self, index: int, plaintext: bytes | memoryview, *, last: bool) -> bytes:
        """The segment. Each index is to be sealed once."""
        full = len(plaintext) == SEGMENT_BYTES
        if not (full or (last and len(plaintext) < SEGMENT_BYTES and (plaintext or not index))):
            raise ValueError(f"segment {index} cannot have {len(plaintext)} bytes")
        return self._key.encrypt(_nonce(index, last), plaintext, self._bound)

    def open(self, index: int, sealed: bytes | memoryview, *, last: bool) -> bytes:
        """The plaintext of one segment. Raises Damaged unless it is this one, and whole."""
        if _TAG_BYTES <= len(sealed) <= SEALED_SEGMENT_BYTES:
            full, empty = len(sealed) == SEALED_SEGMENT_BYTES, len(sealed) == _TAG_BYTES
            if full or (last and not (empty and index)):
                try:
                    return self._key.decrypt(_nonce(index, last), sealed, self._bound)
                except InvalidTag:
                    pass
        raise Damaged(
            f"{self.name} is damaged: segment {index} is not what was sealed",
            hint="Restore it from a copy of the store.",
            code="not_authentic",
        )


def start_sealing(secret: bytes, key_id: int, place: Place, *, random: Random) -> Segments:
    """A new object under a fresh key derived from `secret` (32 bytes), bound to `place`."""
    salt = random(16)
    keys = derive(secret, salt, _info(place), 64)
    header = _HEADER.pack(MAGIC, FORMAT, ALGORITHM, key_id, salt, keys[32:])
    return Segments(header, place.key, header + place.bound(), AESGCM(keys[:32]))


def open_header(secrets: Mapping[int, bytes], place: Place, header: bytes) -> Segments:
    """What opens the segments of the object that begins with these HEADER_BYTES.

    Raises:
        KeyMismatch: sealed by another secret or for another place.
        Damaged: not such an object, or sealed by a key id that `secrets` does not hold.
        Unsupported: of an unknown format.
    """
    if header[:4] != MAGIC[: len(header)]:
        raise Damaged(
            f"{place.key} is not a sealed object: it does not begin with the Safepoint mark",
            hint="Something else wrote or damaged it; restore it from a copy of the store.",
            code="not_sealed",
        )
    if len(header) < HEADER_BYTES:
        raise truncated(place.key)
    _, version, algorithm, key_id, salt, commitment = _HEADER.unpack(header[:HEADER_BYTES])
    if (version, algorithm) != (FORMAT, ALGORITHM):
        raise Unsupported(
            f"{place.key} is of format {version}, algorithm {algorithm}, unknown for artifacts",
            hint="Upgrade Safepoint; if it is the newest, the object is damaged.",
            code="unknown_format",
        )
    secret = secrets.get(key_id)
    if secret is None:
        raise Damaged(
            f"{place.key} names key {key_id}, which its workspace does not have",
            hint="The object is damaged, or a newer key generation was deleted from the store.",
            code="unknown_key",
        )
    keys = derive(secret, salt, _info(place), 64)
    if not hmac.compare_digest(keys[32:], commitment):
        raise KeyMismatch(
            f"{place.key} was not sealed with this key for this place",
            hint="It is damaged, or was moved or swapped with another object.",
        )
    return Segments(
        header[:HEADER_BYTES], place.key, header[:HEADER_BYTES] + place.bound(), AESGCM(keys[:32])
    )


def truncated(name: str) -> Damaged:
    """The error for an object that ends too early, or too late."""
    return Damaged(
        f"{name} does not have the length that it was stored with",
        hint="Restore it from a copy of the store.",
        code="truncated",
    )


def _info(place: Place) -> bytes:
    return b"safepoint stream 1\0" + place.kind.encode() + b"\0" + place.key.encode()


def _nonce(index: int, last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([last])
