"""Sealing one object: a key of its own, committed to, bound to its place.

    magic "SFPT" | format 1 | algorithm 1 | key id u32 | salt 16 | commitment 32 | nonce 12 | sealed
    key 32, commitment 32 = HKDF-SHA256(secret, salt, info = label, kind and key of the object)
    sealed = AES-256-GCM(key, nonce, plaintext, AAD = everything before it, and the place)

Numbers are big-endian. The commitment is compared first: AES-GCM alone lets one ciphertext open
under two keys (CVE-2025-14760). The place (store, workspace, kind, key) lies in the AAD, so an
object that was moved, swapped or replayed elsewhere does not open (CVE-2016-10099 is that lesson).
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from safepoint.errors import Damaged, Unsupported
from safepoint.values import dataclass

__all__ = [
    "OVERHEAD",
    "KeyMismatch",
    "Place",
    "Random",
    "commits_to",
    "derive",
    "key_id_of",
    "seal",
    "unseal",
]

Random = Callable[[int], bytes]

MAGIC = b"SFPT"
FORMAT = 1
ALGORITHM = 1
_HEADER = struct.Struct(">4sBBI16s32s12s")
_TAG_BYTES = 16
OVERHEAD = _HEADER.size + _TAG_BYTES


class KeyMismatch(Damaged):
    """The commitment belongs to another secret, or the object to another place."""

    default_code = "key_mismatch"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object belongs. `key` is relative to the store, so a whole bucket may be copied."""

    store_id: bytes
    workspace_id: bytes
    kind: str
    key: str

    def info(self) -> bytes:
        return b"safepoint seal 1\0" + self.kind.encode() + b"\0" + self.key.encode()

    def bound(self) -> bytes:
        parts = (self.store_id, self.workspace_id, self.kind.encode(), self.key.encode())
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


def seal(secret: bytes, key_id: int, place: Place, plaintext: bytes, *, random: Random) -> bytes:
    """`plaintext` under a fresh key derived from `secret` (32 bytes), bound to `place`."""
    salt, nonce = random(16), random(12)
    keys = derive(secret, salt, place.info(), 64)
    header = _HEADER.pack(MAGIC, FORMAT, ALGORITHM, key_id, salt, keys[32:], nonce)
    return header + AESGCM(keys[:32]).encrypt(nonce, plaintext, header + place.bound())


def key_id_of(data: bytes, name: str) -> int:
    """The id of the secret that sealed `data`; `name` is what errors call the object.

    Raises:
        Damaged: not a sealed object.
        Unsupported: of a format or algorithm that this program does not know.
    """
    if data[:4] != MAGIC:
        raise Damaged(
            f"{name} is not a sealed object: it does not begin with the Safepoint mark",
            hint="Something else wrote or damaged it. Run `safepoint doctor`; restore from a copy.",
            code="not_sealed",
        )
    if len(data) < OVERHEAD:
        raise Damaged(
            f"{name} is cut short: {len(data)} bytes are less than a sealed object has",
            hint="Restore it from a copy of the store.",
            code="truncated",
        )
    if data[4] != FORMAT or data[5] != ALGORITHM:
        raise Unsupported(
            f"{name} is of format {data[4]}, algorithm {data[5]}, unknown to this version",
            hint="Upgrade Safepoint; if it is the newest, the object is damaged.",
            code="unknown_format",
        )
    return int.from_bytes(data[6:10], "big")


def unseal(secrets: Mapping[int, bytes], place: Place, data: bytes) -> bytes:
    """What was sealed, after every check.

    Raises:
        KeyMismatch: sealed by another secret or for another place.
        Damaged: not what was sealed, or sealed by a key id that `secrets` does not hold.
        Unsupported: of an unknown format.
    """
    key_id = key_id_of(data, place.key)
    secret = secrets.get(key_id)
    if secret is None:
        raise Damaged(
            f"{place.key} names key {key_id}, which its workspace does not have",
            hint="The object is damaged, or a newer key generation was deleted from the store.",
            code="unknown_key",
        )
    header = data[: _HEADER.size]
    _, _, _, _, salt, commitment, nonce = _HEADER.unpack(header)
    keys = derive(secret, salt, place.info(), 64)
    if not hmac.compare_digest(keys[32:], commitment):
        raise KeyMismatch(
            f"{place.key} was not sealed with this key for this place",
            hint="It is damaged, or was moved or swapped with another object.",
        )
    try:
        return AESGCM(keys[:32]).decrypt(nonce, data[_HEADER.size :], header + place.bound())
    except InvalidTag:
        raise Damaged(
            f"{place.key} is damaged: its contents are not what was sealed",
            hint="Restore it from a copy of the store.",
            code="not_authentic",
        ) from None


def commits_to(secret: bytes, place: Place, data: bytes) -> bool:
    """Whether `data` was sealed with this secret for this place, whatever key id it names now."""
    if len(data) < OVERHEAD:
        return False
    _, _, _, _, salt, commitment, _ = _HEADER.unpack(data[: _HEADER.size])
    return hmac.compare_digest(derive(secret, salt, place.info(), 64)[32:], commitment)
