"""An object in segments opens only whole, in order, with its own secret, at its own place."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from safepoint.crypto.envelope import KeyMismatch, Place, seal, unseal
from safepoint.crypto.stream import (
    HEADER_BYTES,
    SEALED_SEGMENT_BYTES,
    SEGMENT_BYTES,
    open_header,
    sealed_bytes,
    segment_count,
    start_sealing,
)
from safepoint.errors import Damaged, Unsupported

FOLDER = Path(__file__).parents[1] / "vectors"
VECTORS: list[dict[str, Any]] = json.loads((FOLDER / "stream.json").read_text("utf-8"))
SECRET = bytes(range(32))
PLACE = Place(b"store id 16 byte", b"workspace id 16b", "artifact", "workspaces/a/artifacts/b/1")
SIZES = [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 3 * SEGMENT_BYTES]


def sealed(plain: bytes, *, secret: bytes = SECRET, place: Place = PLACE) -> bytes:
    segments, count = start_sealing(secret, 1, place, random=os.urandom), segment_count(len(plain))
    parts = [plain[n * SEGMENT_BYTES : (n + 1) * SEGMENT_BYTES] for n in range(count)]
    return segments.header + b"".join(
        segments.seal(n, part, last=n == count - 1) for n, part in enumerate(parts)
    )


def opened(data: bytes, *, secret: bytes = SECRET, place: Place = PLACE) -> bytes:
    """What a reader makes of an object whose length is all that it knows."""
    segments = open_header({1: secret}, place, data[:HEADER_BYTES])
    body = data[HEADER_BYTES:]
    starts = range(0, max(len(body), 1), SEALED_SEGMENT_BYTES)
    parts = [body[at : at + SEALED_SEGMENT_BYTES] for at in starts]
    return b"".join(
        segments.open(n, part, last=n == len(parts) - 1) for n, part in enumerate(parts)
    )


THREE = sealed(bytes(range(256)) * (5 * SEGMENT_BYTES // 512))
SMALL = sealed(b"what the agent made")


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_opens_again_and_has_the_size_that_is_foretold(size: int) -> None:
    plain = os.urandom(size)
    data = sealed(plain)
    assert opened(data) == plain
    assert len(data) == sealed_bytes(size)


def test_every_flipped_bit_is_refused_with_an_error_that_names_the_object() -> None:
    for bit in range(len(SMALL) * 8):
        flipped = bytearray(SMALL)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Damaged, Unsupported)) as caught:
            opened(bytes(flipped))
        assert PLACE.key in str(caught.value), bit


@settings(max_examples=25)
@given(st.integers(0, len(THREE) * 8 - 1))
def test_a_flipped_bit_of_a_long_object_is_refused(bit: int) -> None:
    flipped = bytearray(THREE)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises((Damaged, Unsupported)):
        opened(bytes(flipped))


def test_a_small_object_cut_or_prolonged_anywhere_is_refused() -> None:
    for length in range(len(SMALL)):
        with pytest.raises(Damaged):
            opened(SMALL[:length])
    with pytest.raises(Damaged):
        opened(SMALL + b"\0")


@settings(max_examples=25)
@given(
    st.integers(0, len(THREE) - 1)
    | st.sampled_from(
        [HEADER_BYTES + n * SEALED_SEGMENT_BYTES + d for n in (0, 1, 2) for d in (-1, 0, 1)]
    )
)
def test_a_long_object_cut_anywhere_is_refused(length: int) -> None:
    with pytest.raises(Damaged):
        opened(THREE[:length])


@pytest.mark.parametrize(
    "order", [(1, 0, 2), (0, 2), (0, 0, 1, 2), (0, 1, 1, 2), (2,), (0, 1, 2, 2), (1, 2), (0, 1)]
)
def test_segments_swapped_left_out_or_repeated_are_refused(order: tuple[int, ...]) -> None:
    body = THREE[HEADER_BYTES:]
    parts = [body[n * SEALED_SEGMENT_BYTES : (n + 1) * SEALED_SEGMENT_BYTES] for n in range(3)]
    with pytest.raises(Damaged):
        opened(THREE[:HEADER_BYTES] + b"".join(parts[n] for n in order))


def test_segments_of_another_object_with_the_same_secret_and_place_are_refused() -> None:
    other = sealed(bytes(3 * SEGMENT_BYTES))
    end = HEADER_BYTES + SEALED_SEGMENT_BYTES
    with pytest.raises(Damaged):
        opened(THREE[:HEADER_BYTES] + other[HEADER_BYTES:end] + THREE[end:])


def test_a_full_segment_in_the_middle_is_not_taken_for_the_last_one_nor_an_empty_one_added() -> (
    None
):
    segments = start_sealing(SECRET, 1, PLACE, random=os.urandom)
    full = segments.seal(0, bytes(SEGMENT_BYTES), last=False)
    with pytest.raises(Damaged):
        segments.open(0, full, last=True)
    with pytest.raises(ValueError, match="cannot have 0 bytes"):
        segments.seal(1, b"", last=True)
    with pytest.raises(ValueError, match="cannot have 5 bytes"):
        segments.seal(0, b"short", last=False)
    with pytest.raises(ValueError, match="cannot have"):
        segments.seal(0, bytes(SEGMENT_BYTES + 1), last=True)


@pytest.mark.parametrize(
    ("moved", "code"),
    [
        (replace(PLACE, store_id=b"another store id"), "not_authentic"),
        (replace(PLACE, workspace_id=b"another workspac"), "not_authentic"),
        (replace(PLACE, kind="record"), "key_mismatch"),
        (replace(PLACE, key="workspaces/a/artifacts/b/2"), "key_mismatch"),
    ],
)
def test_an_object_does_not_open_at_another_place(moved: Place, code: str) -> None:
    with pytest.raises(Damaged) as caught:
        opened(SMALL, place=moved)
    assert caught.value.code == code


def test_another_secret_is_a_key_mismatch_and_an_unknown_one_is_named() -> None:
    with pytest.raises(KeyMismatch):
        opened(SMALL, secret=bytes(32))
    with pytest.raises(Damaged, match="names key 1"):
        open_header({2: SECRET}, PLACE, SMALL[:HEADER_BYTES])


@pytest.mark.parametrize("plain", [b"", b"SFP", b"{}" * 100])
def test_plaintext_is_never_taken_for_an_artifact(plain: bytes) -> None:
    with pytest.raises(Damaged):
        opened(plain)


def test_an_artifact_and_a_record_are_not_taken_for_each_other() -> None:
    with pytest.raises(Unsupported):
        unseal({1: SECRET}, PLACE, SMALL)
    with pytest.raises(Unsupported):
        opened(seal(SECRET, 1, PLACE, b"a record", random=os.urandom))


def test_the_commitment_is_checked_although_the_segment_would_open() -> None:
    salt = bytes(16)
    info = b"safepoint stream 1\0artifact\0" + PLACE.key.encode()
    key = HKDF(algorithm=SHA256(), length=64, salt=salt, info=info).derive(SECRET)[:32]
    header = struct.pack(">4sBBI16s32s", b"SFPT", 1, 2, 1, salt, bytes(32))
    nonce = bytes(11) + b"\1"
    forged = header + AESGCM(key).encrypt(nonce, b"forged", header + PLACE.bound())
    with pytest.raises(KeyMismatch):
        opened(forged)


@pytest.mark.parametrize("number", range(len(VECTORS)))
def test_the_format_is_the_one_of_the_vectors(number: int) -> None:
    made = VECTORS[number]
    spec = importlib.util.spec_from_file_location("make_stream", FOLDER / "make_stream.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    data = module.sealed(made)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (
        made["sealed_bytes"],
        made["sealed_sha256"],
    )
    assert (data[:96].hex(), data[-32:].hex()) == (made["begins"], made["ends"])
    place = Place(
        bytes.fromhex(made["store_id"]),
        bytes.fromhex(made["workspace_id"]),
        "artifact",
        made["key"],
    )
    secret = bytes.fromhex(made["secret"])
    segments = open_header({made["key_id"]: secret}, place, data[:HEADER_BYTES])
    first = segments.open(
        0, data[HEADER_BYTES:][:SEALED_SEGMENT_BYTES], last=made["size"] < 2**20 + 1
    )
    assert first == module.pattern(made["size"])[:SEGMENT_BYTES]
