"""Documents to sealed records and back, for one workspace: its keys, its places, its chain."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from safepoint.crypto.envelope import OVERHEAD, Place, Random, commits_to, seal, unseal
from safepoint.errors import Damaged, LimitExceeded
from safepoint.format import delta, document, record
from safepoint.format.document import Document
from safepoint.format.keys import base_of, chain_of, log_key
from safepoint.format.record import COMMIT_ID_BYTES, Record
from safepoint.model import Actor
from safepoint.values import dataclass

__all__ = ["Codec", "Sealed"]

_ACTOR: Final = tuple(field.name for field in fields(Actor))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record ready to be put: the object, and the encoded document that it stands for."""

    key: str
    data: bytes
    record: Record
    encoded: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Codec:
    """Pure but for `random`. `secrets` are the workspace's data keys by id; the highest seals.
    See WorkspaceKeys for `first` and `cuts`."""

    name: str
    store_id: bytes
    workspace_id: bytes
    secrets: Mapping[int, bytes]
    random: Random
    first: int = 1
    cuts: tuple[int, ...] = ()

    def base(self, version: int) -> int | None:
        """The version whose document this one's is a delta of; None for a whole one."""
        base = base_of(version)
        return None if base is None or base < self._cut(version) else base

    def chain(self, version: int) -> tuple[int, ...]:
        """The versions that rebuild this one, whole one first, itself last."""
        cut = self._cut(version)
        return tuple(one for one in chain_of(version) if one >= cut)

    def left_by(self, version: int) -> Iterator[int]:
        """The versions that no later one is based on, now that there is this one."""
        base = self.base(version)
        one = version - 1 if version > self.first else None
        while one is not None and one != base:
            yield one
            one = self.base(one)

    def _cut(self, version: int) -> int:
        return max((cut for cut in (self.first, *self.cuts) if cut <= version), default=1)

    def seal(
        self,
        new: Document,
        event: dict[str, Any],
        actor: Actor,
        *,
        previous: bytes,
        base: bytes | None,
        limit: int,
    ) -> Sealed:
        """`base` is the encoded document of `base(new.version)`, `previous` the SHA-256 of the
        record before. Raises LimitExceeded when the document is too large."""
        encoded = document.encode(new)
        if len(encoded) > min(limit, delta.MAX_DOCUMENT_BYTES):
            raise LimitExceeded(
                f"the workspace would hold {len(encoded):,} bytes in state and results; "
                f"the limit is {limit:,}",
                hint="Keep results short, and large data in files of your own, named in the state.",
            )
        made = Record(
            version=new.version,
            at_ms=new.updated_ms,
            base=self.base(new.version) or 0,
            commit_id=self.random(COMMIT_ID_BYTES),
            previous=previous,
            document_length=len(encoded),
            document_digest=hashlib.sha256(encoded).digest(),
            event=_event(event, actor),
            delta=delta.compress(encoded, base),
        )
        key = log_key(self.name, new.version)
        return Sealed(key, self._sealed(made, key), made, encoded)

    def adopt(self, foreign: Record, *, previous: bytes) -> bytes:
        """The object for a record that another store's codec opened: the same commit, under this
        workspace's key and place. Its delta stays as it is: documents know nothing of stores."""
        key = log_key(self.name, foreign.version)
        return self._sealed(replace(foreign, previous=previous), key)

    def open(self, version: int, data: bytes) -> Record:
        """The record of `version` from the object's bytes. Raises Damaged or Unsupported."""
        key = log_key(self.name, version)
        try:
            opened = record.unpack(unseal(self.secrets, self._place(key), data))
        except ValueError as error:
            raise _damaged(key, str(error)) from None
        if opened.version != version or opened.base != (self.base(version) or 0):
            raise _damaged(key, "it is not the record of this version")
        return opened

    def lacks_keys(self, version: int, data: bytes) -> bool:
        """Whether an object that does not open may be whole, and the newest keys are what is gone:
        it names a key that is not held, or is not the delta that the known cuts ask for."""
        place = self._place(log_key(self.name, version))
        try:
            opened = record.unpack(unseal(self.secrets, place, data))
        except ValueError:
            return False
        except Damaged as error:
            known = (commits_to(secret, place, data) for secret in self.secrets.values())
            return error.code == "unknown_key" and not any(known)
        return opened.version == version and opened.base != (self.base(version) or 0)

    def rebuild(self, opened: Record, base: bytes | None) -> bytes:
        """The encoded document of a record, from that of its base. Raises Damaged."""
        key = log_key(self.name, opened.version)
        try:
            encoded = delta.decompress(opened.delta, base, opened.document_length)
        except ValueError as error:
            raise _damaged(key, f"its document cannot be rebuilt: {error}") from None
        if hashlib.sha256(encoded).digest() != opened.document_digest:
            raise _damaged(key, "its rebuilt document has another digest than the one recorded")
        return encoded

    def decode(
        self, version: int, encoded: bytes, decoder: document.Decoder | None = None
    ) -> Document:
        """The document of that version. Raises Damaged or Unsupported."""
        try:
            return (decoder or document.Decoder()).decode(encoded)
        except ValueError as error:
            raise _damaged(log_key(self.name, version), str(error)) from None

    def _sealed(self, made: Record, key: str) -> bytes:
        packed, key_id = record.pack(made, overhead=OVERHEAD), max(self.secrets)
        return seal(self.secrets[key_id], key_id, self._place(key), packed, random=self.random)

    def _place(self, key: str) -> Place:
        return Place(self.store_id, self.workspace_id, "record", key)


def _event(event: dict[str, Any], actor: Actor) -> dict[str, object]:
    """As stored: without what is empty, since every record carries it."""
    given = {name: value for name, value in event.items() if value is not None}
    who = {name: value for name in _ACTOR if (value := getattr(actor, name))}
    return {**given, "actor": who}


def _damaged(key: str, why: str) -> Damaged:
    return Damaged(
        f"{key} is damaged: {why}",
        hint="Restore it from a copy of the store.",
        code="not_authentic",
    )
