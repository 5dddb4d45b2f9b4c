"""A sealed object opens only whole, with its own secret, at its own place."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from safepoint.crypto.envelope import OVERHEAD, KeyMismatch, Place, key_id_of, seal, unseal
from safepoint.errors import Damaged, SafepointError, Unsupported

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "envelope.json").read_text("utf-8")
)
SECRET = bytes(range(32))
PLACE = Place(b"store id 16 byte", b"workspace id 16b", "record", "workspaces/a/log/1")
SEALED = seal(SECRET, 1, PLACE, b"what the agent knew", random=os.urandom)


def opened(data: bytes, *, secret: bytes = SECRET, place: Place = PLACE) -> bytes:
    return unseal({1: secret}, place, data)


@given(st.binary(max_size=3000), st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1))
def test_what_is_sealed_opens_again(plaintext: bytes, secret: bytes, key_id: int) -> None:
    sealed = seal(secret, key_id, PLACE, plaintext, random=os.urandom)
    assert unseal({key_id: secret}, PLACE, sealed) == plaintext
    assert len(sealed) == len(plaintext) + OVERHEAD
    assert key_id_of(sealed, "it") == key_id


def test_every_flipped_bit_is_refused_with_an_error_that_names_the_object() -> None:
    for bit in range(len(SEALED) * 8):
        flipped = bytearray(SEALED)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Damaged, Unsupported)) as caught:
            opened(bytes(flipped))
        assert PLACE.key in str(caught.value), bit


def test_an_object_cut_short_or_prolonged_anywhere_is_refused() -> None:
    for length in range(len(SEALED)):
        with pytest.raises(Damaged):
            opened(SEALED[:length])
    with pytest.raises(Damaged):
        opened(SEALED + b"\0")


@pytest.mark.parametrize(
    ("moved", "code"),
    [
        (replace(PLACE, store_id=b"another store id"), "not_authentic"),
        (replace(PLACE, workspace_id=b"another workspac"), "not_authentic"),
        (replace(PLACE, kind="name"), "key_mismatch"),
        (replace(PLACE, key="workspaces/a/log/2"), "key_mismatch"),
        (replace(PLACE, kind="record\0workspaces/a", key="log/1"), "key_mismatch"),
    ],
)
def test_an_object_does_not_open_at_another_place(moved: Place, code: str) -> None:
    with pytest.raises(Damaged) as caught:
        opened(SEALED, place=moved)
    assert caught.value.code == code


def test_parts_of_a_place_cannot_borrow_bytes_from_each_other() -> None:
    longer = Place(b"ab", b"c", "kind", "key").bound()
    assert longer != Place(b"a", b"bc", "kind", "key").bound()


def test_another_secret_is_a_key_mismatch() -> None:
    with pytest.raises(KeyMismatch):
        opened(SEALED, secret=bytes(32))


def test_a_key_id_that_the_workspace_does_not_have_is_named() -> None:
    with pytest.raises(Damaged, match="names key 1") as caught:
        unseal({2: SECRET}, PLACE, SEALED)
    assert caught.value.code == "unknown_key"


@pytest.mark.parametrize("plain", [b'{"state": 1}', b"", b"SFP", b"\0" * 600])
def test_plaintext_is_never_taken_for_a_sealed_object(plain: bytes) -> None:
    with pytest.raises(Damaged) as caught:
        opened(plain)
    assert caught.value.code == "not_sealed"


@pytest.mark.parametrize("position", [4, 5], ids=["format", "algorithm"])
def test_an_unknown_format_or_algorithm_asks_for_an_upgrade(position: int) -> None:
    newer = SEALED[:position] + b"\x02" + SEALED[position + 1 :]
    with pytest.raises(Unsupported) as caught:
        opened(newer)
    assert caught.value.code == "unknown_format"


def test_the_commitment_is_checked_although_the_ciphertext_would_open() -> None:
    """Without it, one ciphertext could be made to open under two keys (CVE-2025-14760)."""
    salt, nonce = bytes(16), bytes(12)
    key = by_rfc_5869(SECRET, salt, PLACE.info(), 64)[:32]
    header = struct.pack(">4sBBI16s32s12s", b"SFPT", 1, 1, 1, salt, bytes(32), nonce)
    forged = header + AESGCM(key).encrypt(nonce, b"forged", header + PLACE.bound())
    with pytest.raises(KeyMismatch):
        opened(forged)


def test_the_commitment_is_checked_before_the_ciphertext() -> None:
    neither_fits = SEALED[:30] + bytes(40) + bytes(len(SEALED) - 70)
    with pytest.raises(KeyMismatch):
        opened(neither_fits)


def test_sealing_the_same_twice_gives_other_bytes_under_another_key() -> None:
    again = seal(SECRET, 1, PLACE, b"what the agent knew", random=os.urandom)
    assert again[10:58] != SEALED[10:58]
    assert again[70:] != SEALED[70:]


def test_errors_hold_neither_plaintext_nor_secret() -> None:
    for data in (SEALED[:-1], b"plain secrets", SEALED[:4] + b"\x09" + SEALED[5:]):
        with pytest.raises(SafepointError) as caught:
            opened(data)
        told = f"{caught.value!r} {caught.value.message} {caught.value.hint}"
        assert "secrets" not in told
        assert SECRET.hex() not in told


@pytest.mark.parametrize("vector", VECTORS, ids=[v["kind"] for v in VECTORS])
def test_vectors_seal_and_open_as_ever(vector: dict[str, Any]) -> None:
    randomness = iter([bytes.fromhex(vector["salt"]), bytes.fromhex(vector["nonce"])])
    secret, plaintext, place = _inputs(vector)
    sealed = seal(secret, vector["key_id"], place, plaintext, random=lambda count: next(randomness))
    assert sealed.hex() == vector["sealed"]
    assert unseal({vector["key_id"]: secret}, place, bytes.fromhex(vector["sealed"])) == plaintext


@pytest.mark.parametrize("vector", VECTORS, ids=[v["kind"] for v in VECTORS])
def test_vectors_are_what_the_description_of_the_format_says(vector: dict[str, Any]) -> None:
    """Computed anew from the words of the module: HKDF by RFC 5869, lengths written out."""
    secret, plaintext, _ = _inputs(vector)
    salt, nonce = bytes.fromhex(vector["salt"]), bytes.fromhex(vector["nonce"])
    kind, key = vector["kind"].encode(), vector["key"].encode()
    keys = by_rfc_5869(secret, salt, b"safepoint seal 1\0" + kind + b"\0" + key, 64)
    header = b"SFPT\x01\x01" + vector["key_id"].to_bytes(4, "big") + salt + keys[32:] + nonce
    bound = b""
    for part in (
        bytes.fromhex(vector["store_id"]),
        bytes.fromhex(vector["workspace_id"]),
        kind,
        key,
    ):
        bound += len(part).to_bytes(4, "big") + part
    sealed = header + AESGCM(keys[:32]).encrypt(nonce, plaintext, header + bound)
    assert sealed.hex() == vector["sealed"]


def by_rfc_5869(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    extracted = hmac.digest(salt, secret, hashlib.sha256)
    block, output, number = b"", b"", 0
    while len(output) < length:
        number += 1
        block = hmac.digest(extracted, block + info + bytes([number]), hashlib.sha256)
        output += block
    return output[:length]


def _inputs(vector: dict[str, Any]) -> tuple[bytes, bytes, Place]:
    store_id, workspace_id = (
        bytes.fromhex(vector["store_id"]),
        bytes.fromhex(vector["workspace_id"]),
    )
    place = Place(store_id, workspace_id, vector["kind"], vector["key"])
    return bytes.fromhex(vector["secret"]), bytes.fromhex(vector["plaintext"]), place
