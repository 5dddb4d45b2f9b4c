"""Key slots: one random store key, wrapped once for each key file or passphrase that opens it.

As LUKS does it: slots are added, changed and removed without touching any data.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from safepoint.crypto.envelope import KeyMismatch, Place, Random, seal, unseal
from safepoint.errors import Damaged, InvalidInput, Unsupported

__all__ = [
    "ARGON2ID",
    "KEY_BYTES",
    "KeyFile",
    "KeySlot",
    "Passphrase",
    "Unlock",
    "add_slot",
    "open_slots",
    "slots_of",
]

KEY_BYTES = 32
MIN_PASSPHRASE_CHARS = 8
ARGON2ID: Mapping[str, int] = {"memory_kib": 64 * 1024, "passes": 3, "lanes": 4}
_ARGON2ID_FLOOR = {"memory_kib": 19 * 1024, "passes": 2, "lanes": 1}
_ARGON2ID_CEILING = {"memory_kib": 1024 * 1024, "passes": 16, "lanes": 16}
_FILE_MARK = "SAFEPOINT-KEY-1-"


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One way to open a store, as listed: `kind` is `key-file` or `passphrase`."""

    id: str
    kind: str
    label: str
    created_at: datetime


@dataclass(frozen=True, slots=True, repr=False)
class KeyFile:
    """A random 32-byte key kept in a file of its own, apart from the data."""

    secret: bytes

    @classmethod
    def parse(cls, text: str, *, source: str) -> KeyFile:
        """Read a key file's text. Raises InvalidInput naming `source`."""
        lines = [line.strip() for line in text.splitlines()]
        tokens = [line for line in lines if line and not line.startswith("#")]
        if len(tokens) == 1 and tokens[0].startswith(_FILE_MARK):
            body, _, check = tokens[0].removeprefix(_FILE_MARK).rpartition("-")
            try:
                secret = base64.b16decode(body, casefold=True)
            except binascii.Error:
                secret = b""
            if len(secret) == KEY_BYTES and check.lower() == _file_check(secret):
                return cls(secret)
        raise InvalidInput(
            f"{source} is not a Safepoint key file, or was altered",
            hint="Restore the file from your backup; `safepoint keys init` makes new ones only.",
            code="bad_key_file",
        )

    def text(self) -> str:
        return (
            "# Safepoint key file. Whoever has it can read the stores made with it;\n"
            "# without it nobody can. Keep a copy in a safe place, apart from the data.\n"
            f"{_FILE_MARK}{self.secret.hex()}-{_file_check(self.secret)}\n"
        )


@dataclass(frozen=True, slots=True, repr=False)
class Passphrase:
    """Words that a person knows; stretched by Argon2id (RFC 9106)."""

    words: str

    def __post_init__(self) -> None:
        if len(self.words) < MIN_PASSPHRASE_CHARS:
            raise InvalidInput(
                f"the passphrase is shorter than {MIN_PASSPHRASE_CHARS} characters",
                hint="Use several random words.",
                code="weak_passphrase",
            )


Unlock = KeyFile | Passphrase


def add_slot(
    unlock: Unlock, store_key: bytes, store_id: bytes, *, label: str, at: str, random: Random
) -> dict[str, Any]:
    """A slot, as the store manifest holds it, that opens `store_key` with `unlock`."""
    slot: dict[str, Any] = {
        "id": random(6).hex(),
        "kind": "key-file" if isinstance(unlock, KeyFile) else "passphrase",
        "label": label,
        "created_at": at,
    }
    if isinstance(unlock, Passphrase):
        slot["argon2id"] = {**ARGON2ID, "salt": base64.b64encode(random(16)).decode()}
    place = Place(store_id, b"", "slot", slot["id"])
    sealed = seal(_kek(unlock, slot), 0, place, store_key, random=random)
    return {**slot, "wrapped": base64.b64encode(sealed).decode()}


def open_slots(slots: list[dict[str, Any]], unlock: Unlock, store_id: bytes) -> bytes | None:
    """The store key, or None when no slot belongs to `unlock`.

    Raises Damaged or Unsupported for a slot that cannot be what Safepoint wrote.
    """
    kind = "key-file" if isinstance(unlock, KeyFile) else "passphrase"
    for slot in slots:
        try:
            if slot["kind"] != kind:
                continue
            sealed = base64.b64decode(slot["wrapped"], validate=True)
            place = Place(store_id, b"", "slot", str(slot["id"]))
            return unseal({0: _kek(unlock, slot)}, place, sealed)
        except KeyMismatch:
            continue
        except (KeyError, TypeError, ValueError, AttributeError):
            raise _no_slot() from None
    return None


def slots_of(manifest: dict[str, Any]) -> tuple[KeySlot, ...]:
    """The slots as listed. Raises Damaged for what is none."""
    try:
        return tuple(
            KeySlot(s["id"], s["kind"], s["label"], datetime.fromisoformat(s["created_at"]))
            for s in manifest["slots"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _no_slot() from None


def _kek(unlock: Unlock, slot: dict[str, Any]) -> bytes:
    if isinstance(unlock, KeyFile):
        return unlock.secret
    costs = slot["argon2id"]
    for name, floor in _ARGON2ID_FLOOR.items():
        value = costs.get(name)
        if not isinstance(value, int) or not floor <= value <= _ARGON2ID_CEILING[name]:
            raise Unsupported(
                f"key slot {slot['id']} asks for Argon2id {name} outside "
                f"{floor} to {_ARGON2ID_CEILING[name]}",
                hint="Safepoint never writes such a slot: the store manifest was altered.",
                code="key_cost",
            )
    salt = base64.b64decode(costs["salt"], validate=True)
    if len(salt) != 16:
        raise Damaged(f"key slot {slot['id']} has a salt of {len(salt)} bytes instead of 16")
    return Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=costs["passes"],
        lanes=costs["lanes"],
        memory_cost=costs["memory_kib"],
    ).derive(unlock.words.encode())


def _no_slot() -> Damaged:
    return Damaged(
        "the store manifest holds a key slot that Safepoint cannot have written",
        hint="Somebody altered it. Restore it from a copy of the store.",
    )


def _file_check(secret: bytes) -> str:
    return hashlib.sha256(b"safepoint key file" + secret).hexdigest()[:8]
