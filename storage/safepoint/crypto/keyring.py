"""Key slots: one random store key, wrapped once for each key that opens it.

As LUKS does it: slots are added, changed and removed without touching any data. A slot's own key
(KEK) comes from an `Unlock`: a key file or passphrase here, AWS KMS in `crypto/kms.py`.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Protocol

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from safepoint.crypto.envelope import KeyMismatch, Place, Random, seal, unseal
from safepoint.errors import Damaged, InvalidInput, Unavailable, Unsupported, WrongKey
from safepoint.values import dataclass

__all__ = [
    "ARGON2ID",
    "KEY_BYTES",
    "KMS",
    "KeyFile",
    "KeySlot",
    "Passphrase",
    "Unlock",
    "add_slot",
    "forms_of",
    "open_slot",
    "open_slots",
    "rewrap_slots",
    "slots_of",
]

KEY_BYTES = 32
KMS = "aws-kms"
"""The kind of slots that `crypto/kms.py` opens: known here, so that looking loads no botocore."""
MIN_PASSPHRASE_CHARS = 8
ARGON2ID: Mapping[str, int] = {"memory_kib": 64 * 1024, "passes": 3, "lanes": 4}
_ARGON2ID_FLOOR = {"memory_kib": 19 * 1024, "passes": 2, "lanes": 1}
_ARGON2ID_CEILING = {"memory_kib": 256 * 1024, "passes": 8, "lanes": 16}
_SALT_BYTES = 16
_stretching = threading.Lock()  # OpenSSL's Argon2 waits for ever when two threads use its lanes
_WORD = re.compile(r"[A-Za-z0-9-]{1,40}")  # what messages may repeat before a MAC is checked
_FILE_MARK = "SAFEPOINT-KEY-1-"


@dataclass(frozen=True, slots=True)
class KeySlot:
    """One way to open a store, as listed: `kind` is `key-file`, `passphrase` or `aws-kms`."""

    id: str
    kind: str
    label: str
    created_at: datetime


class Unlock(Protocol):
    """Where the keys of slots of one kind come from. May compute long or ask a network: call the
    functions that take one in a thread."""

    kind: ClassVar[str]
    what: ClassVar[str]
    """Itself in messages: "this passphrase"."""

    def new_kek(self, store_id: bytes, *, random: Random) -> tuple[dict[str, Any], bytes]:
        """A key for a new slot, and what the slot has to hold to give it again."""

    def kek(self, slot: dict[str, Any], store_id: bytes) -> bytes:
        """The key of a slot of this kind.

        Raises:
            Damaged, Unsupported: the slot is not one that `new_kek` made. So do KeyError, TypeError
                and ValueError, for a field that is missing or malformed.
            WrongKey, Unavailable: it does not give this slot's key, or not now.
        """


@dataclass(frozen=True, slots=True, repr=False)
class KeyFile:
    """A random 32-byte key kept in a file of its own, apart from the data."""

    kind: ClassVar[str] = "key-file"
    what: ClassVar[str] = "this key file"

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

    def new_kek(self, store_id: bytes, *, random: Random) -> tuple[dict[str, Any], bytes]:
        """See Unlock.new_kek."""
        return {}, self.secret

    def kek(self, slot: dict[str, Any], store_id: bytes) -> bytes:
        """See Unlock.kek."""
        return self.secret


@dataclass(frozen=True, slots=True, repr=False)
class Passphrase:
    """Words that a person knows; stretched by Argon2id (RFC 9106)."""

    kind: ClassVar[str] = "passphrase"
    what: ClassVar[str] = "this passphrase"

    words: str

    def __post_init__(self) -> None:
        if len(self.words) < MIN_PASSPHRASE_CHARS:
            raise InvalidInput(
                f"the passphrase is shorter than {MIN_PASSPHRASE_CHARS} characters",
                hint="Use several random words.",
                code="weak_passphrase",
            )
        try:
            self.words.encode()
        except UnicodeEncodeError:
            raise InvalidInput(
                "the passphrase is not Unicode text",
                hint="Give it as UTF-8.",
                code="bad_passphrase",
            ) from None

    def normal(self) -> Passphrase:
        """The same characters in one form (NFC), as slots are made with: keyboards differ in how
        they compose them."""
        return Passphrase(unicodedata.normalize("NFC", self.words))

    def forms(self) -> tuple[Passphrase, ...]:
        """What to try on a slot: the normal form, then the words as they were typed, by which
        slots were made that are older than the normal form."""
        normal = unicodedata.normalize("NFC", self.words)
        if normal == self.words or len(normal) < MIN_PASSPHRASE_CHARS:
            return (self,)
        return (Passphrase(normal), self)

    def new_kek(self, store_id: bytes, *, random: Random) -> tuple[dict[str, Any], bytes]:
        """See Unlock.new_kek."""
        salt = random(_SALT_BYTES)
        costs = {**ARGON2ID, "salt": base64.b64encode(salt).decode()}
        return {"argon2id": costs}, self._stretch(ARGON2ID, salt)

    def kek(self, slot: dict[str, Any], store_id: bytes) -> bytes:
        """See Unlock.kek."""
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
        if len(salt) != _SALT_BYTES:
            raise Damaged(f"key slot {slot['id']} has a salt of {len(salt)} bytes instead of 16")
        return self._stretch(costs, salt)

    def _stretch(self, costs: Mapping[str, int], salt: bytes) -> bytes:
        with _stretching:
            return Argon2id(
                salt=salt,
                length=KEY_BYTES,
                iterations=costs["passes"],
                lanes=costs["lanes"],
                memory_cost=costs["memory_kib"],
            ).derive(self.words.encode())


def add_slot(
    unlock: Unlock, store_key: bytes, store_id: bytes, *, label: str, at: str, random: Random
) -> dict[str, Any]:
    """A slot, as the store manifest holds it, that opens `store_key` with `unlock`.

    Raises what `unlock.new_kek` raises.
    """
    slot_id = random(6).hex()
    fields, kek = unlock.new_kek(store_id, random=random)
    sealed = seal(kek, 0, _place(store_id, slot_id), store_key, random=random)
    return {
        "id": slot_id,
        "kind": unlock.kind,
        "label": label,
        "created_at": at,
        **fields,
        "wrapped": base64.b64encode(sealed).decode(),
    }


def open_slots(slots: list[dict[str, Any]], unlock: Unlock, store_id: bytes) -> bytes | None:
    """The store key, or None when no slot belongs to `unlock`. Raises what `open_slot` raises."""
    opened = open_slot(slots, unlock, store_id)
    return None if opened is None else opened[1]


def open_slot(
    slots: list[dict[str, Any]], unlock: Unlock, store_id: bytes
) -> tuple[str, bytes] | None:
    """The id of the slot that opened, and the store key; None when no slot belongs to `unlock`.

    Raises:
        Damaged, Unsupported: a slot cannot be what Safepoint wrote.
        WrongKey, Unavailable: what `unlock` said of the first slot, when no other one opened.
    """
    refused: WrongKey | Unavailable | None = None
    for slot in slots:
        try:
            if slot["kind"] != unlock.kind:
                continue
            return str(slot["id"]), _unwrap(slot, unlock.kek(slot, store_id), store_id)
        except KeyMismatch:
            continue
        except (WrongKey, Unavailable) as error:
            refused = refused or error
        except (KeyError, TypeError, ValueError, AttributeError):
            raise _no_slot() from None
    if refused is not None:
        raise refused
    return None


def rewrap_slots(
    slots: list[dict[str, Any]],
    unlocks: Iterable[Unlock],
    store_id: bytes,
    new_store_key: bytes,
    *,
    random: Random,
) -> list[dict[str, Any]]:
    """Those of `slots` that one of `unlocks` opens, now wrapping `new_store_key`.

    Raises:
        WrongKey: one of `unlocks` opens no slot.
        Unavailable: one cannot be asked now.
    """
    rewrapped: dict[str, dict[str, Any]] = {}
    for unlock in unlocks:
        opened = False
        for slot, form in ((slot, form) for slot in slots for form in forms_of(unlock)):
            found = None
            with contextlib.suppress(WrongKey):
                found = open_slot([slot], form, store_id)
            if found is not None:
                opened = True
                kek = form.kek(slot, store_id)
                sealed = seal(kek, 0, _place(store_id, slot["id"]), new_store_key, random=random)
                rewrapped[slot["id"]] = {**slot, "wrapped": base64.b64encode(sealed).decode()}
        if not opened:
            raise WrongKey(
                f"{unlock.what} opens no key slot of this store",
                hint="Nothing was changed. To let it open the store, add it first, with "
                "`safepoint keys add`.",
                code="no_such_slot",
            )
    return [rewrapped[slot["id"]] for slot in slots if slot["id"] in rewrapped]


def forms_of(unlock: Unlock) -> tuple[Unlock, ...]:
    """What to try on a slot: see Passphrase.forms."""
    return unlock.forms() if isinstance(unlock, Passphrase) else (unlock,)


def slots_of(manifest: dict[str, Any]) -> tuple[KeySlot, ...]:
    """The slots as listed. Raises Damaged for what is none."""
    try:
        for slot in manifest["slots"]:
            if not (_WORD.fullmatch(slot["id"]) and _WORD.fullmatch(slot["kind"])):
                raise _no_slot()
        return tuple(
            KeySlot(s["id"], s["kind"], str(s["label"]), datetime.fromisoformat(s["created_at"]))
            for s in manifest["slots"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _no_slot() from None


def _unwrap(slot: dict[str, Any], kek: bytes, store_id: bytes) -> bytes:
    sealed = base64.b64decode(slot["wrapped"], validate=True)
    return unseal({0: kek}, _place(store_id, str(slot["id"])), sealed)


def _place(store_id: bytes, slot_id: str) -> Place:
    return Place(store_id, b"", "slot", slot_id)


def _no_slot() -> Damaged:
    return Damaged(
        "the store manifest holds a key slot that Safepoint cannot have written",
        hint="Somebody altered it. Restore it from a copy of the store.",
    )


def _file_check(secret: bytes) -> str:
    return hashlib.sha256(b"safepoint key file" + secret).hexdigest()[:8]
