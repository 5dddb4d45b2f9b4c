"""Commit records come back as packed, and a whole one is never taken for a torn one."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from safepoint.crypto.envelope import OVERHEAD, Place, seal
from safepoint.errors import LimitExceeded
from safepoint.format.delta import MAX_DOCUMENT_BYTES
from safepoint.format.record import NO_PREVIOUS, Record, is_torn, pack, unpack

U64 = st.integers(0, 2**64 - 1)
RECORDS = st.builds(
    Record,
    version=U64,
    at_ms=U64,
    base=U64,
    commit_id=st.binary(min_size=16, max_size=16),
    previous=st.binary(min_size=32, max_size=32),
    document_length=st.integers(0, MAX_DOCUMENT_BYTES),
    document_digest=st.binary(min_size=32, max_size=32),
    event=st.dictionaries(st.text(max_size=5), st.integers(0, 9) | st.text(max_size=5) | st.none()),
    delta=st.binary(max_size=600),
)
PLAIN = Record(1, 0, 0, bytes(16), NO_PREVIOUS, 5, bytes(32), {"kind": "save"}, b"delta")
PACKED = pack(PLAIN, overhead=OVERHEAD)
PLACE = Place(b"s" * 16, b"w" * 16, "record", "workspaces/a/log/1")


def stored(size: int) -> bytes:
    """A sealed record about `size` bytes long."""
    record = replace(PLAIN, delta=random.Random(size).randbytes(max(0, size - 250)))
    packed = pack(record, overhead=OVERHEAD)
    return seal(bytes(32), 1, PLACE, packed, random=os.urandom)


@given(RECORDS)
@example(PLAIN)
def test_a_record_comes_back_as_it_was_packed(record: Record) -> None:
    assert unpack(pack(record, overhead=OVERHEAD)) == record


@pytest.mark.parametrize("overhead", [0, OVERHEAD])
def test_no_stored_record_is_a_whole_number_of_sectors(overhead: int) -> None:
    for length in range(1100):
        record = replace(PLAIN, delta=bytes(length))
        packed = pack(record, overhead=overhead)
        assert (len(packed) + overhead) % 512 != 0
        assert unpack(packed) == record


def test_a_record_cut_inside_its_header_or_event_is_refused() -> None:
    for length in range(len(PACKED) - len(PLAIN.delta)):
        with pytest.raises(ValueError, match=r"header|range"):
            unpack(PACKED[:length])


def test_a_document_larger_than_any_is_refused_before_it_is_rebuilt() -> None:
    with pytest.raises(ValueError, match="out of range"):
        unpack(pack(replace(PLAIN, document_length=MAX_DOCUMENT_BYTES + 1), overhead=OVERHEAD))


def test_an_event_larger_than_any_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        pack(replace(PLAIN, event={"kind": "x" * 300_000}), overhead=OVERHEAD)
    at = PACKED.index(b'{"kind"')
    event = b'{"kind":"%s"}' % (b"x" * 300_000)
    with pytest.raises(ValueError, match="out of range"):
        unpack(PACKED[: at - 4] + len(event).to_bytes(4, "big") + event)


@pytest.mark.parametrize("event", [b"[1]", b"{oops}", b'"text"'])
def test_an_event_that_is_no_object_is_refused(event: bytes) -> None:
    at = PACKED.index(b'{"kind"')
    length = len(event).to_bytes(4, "big")
    with pytest.raises(ValueError):  # noqa: PT011 - any: the caller says which object
        unpack(PACKED[: at - 4] + length + event)


@pytest.mark.parametrize("size", [300, 511, 512, 513, 1024, 5000])
def test_a_whole_record_is_not_torn_whichever_bit_is_flipped(size: int) -> None:
    data = bytearray(stored(size))
    assert not is_torn(bytes(data))
    for bit in range(len(data) * 8):
        data[bit // 8] ^= 1 << bit % 8
        assert not is_torn(bytes(data)), bit
        data[bit // 8] ^= 1 << bit % 8


@given(st.integers(250, 5000), st.data())
def test_what_a_power_loss_leaves_of_a_record_is_torn(size: int, data: st.DataObject) -> None:
    whole = stored(size)
    cut = data.draw(st.integers(0, len(whole) // 512)) * 512
    assert is_torn(whole[:cut]), "cut at a sector"
    zeroed = whole[:cut] + bytes(len(whole) - cut)
    assert is_torn(zeroed) or len(whole) - cut < 16, "its last sectors not written"
    assert is_torn(bytes(len(whole))), "nothing of it written"
