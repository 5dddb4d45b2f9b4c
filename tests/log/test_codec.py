"""Documents to sealed records and back: only from the right base, only for the right version."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from safepoint.crypto.envelope import OVERHEAD, Place, seal
from safepoint.errors import Damaged, LimitExceeded
from safepoint.format.document import Document, encode
from safepoint.format.keys import log_key
from safepoint.format.record import NO_PREVIOUS, pack
from safepoint.log.codec import Codec, Sealed
from safepoint.model import Actor

CODEC = Codec("work", b"s" * 16, b"w" * 16, {1: bytes(32), 2: bytes(range(32))}, os.urandom)


def document(version: int, state: bytes) -> Document:
    return Document(version=version, regions={"state": state})


def sealed(new: Document, base: bytes | None = None, limit: int = 10**6, **event: str) -> Sealed:
    actor = Actor("ann", host="here")
    return CODEC.seal(new, event, actor, previous=NO_PREVIOUS, base=base, limit=limit)


BASE = encode(document(1, b"a" * 500 + b"b" * 500))
NEXT = document(2, b"a" * 500 + b"c" + b"b" * 500)


def test_a_version_comes_back_from_its_record_and_its_base() -> None:
    record = CODEC.open(2, sealed(NEXT, BASE, kind="save").data)
    assert CODEC.decode(2, CODEC.rebuild(record, BASE)) == NEXT
    assert record.base == 1
    assert record.event["kind"] == "save"
    assert Actor(**record.event["actor"]) == Actor("ann", host="here")


def test_the_newest_key_seals() -> None:
    data = sealed(NEXT, BASE).data
    old = replace(CODEC, secrets={1: CODEC.secrets[1]})
    with pytest.raises(Damaged) as caught:
        old.open(2, data)
    assert caught.value.code == "unknown_key"


@pytest.mark.parametrize(
    "base",
    [None, b"", BASE[:-1], BASE[::-1], BASE.replace(b"a", b"x"), bytes(len(BASE))],
    ids=["none", "empty", "cut", "reversed", "altered", "zeros"],
)
def test_a_wrong_base_is_refused_by_length_or_digest(base: bytes | None) -> None:
    record = CODEC.open(2, sealed(NEXT, BASE).data)
    with pytest.raises(Damaged, match=r"rebuilt|digest"):
        CODEC.rebuild(record, base)


def test_a_base_of_the_same_length_is_told_by_the_digest() -> None:
    record = CODEC.open(2, sealed(NEXT, BASE).data)
    with pytest.raises(Damaged, match="another digest"):
        CODEC.rebuild(record, BASE.replace(b"a" * 500, b"x" * 500))


def test_a_record_under_the_key_of_another_version_is_refused() -> None:
    with pytest.raises(Damaged, match="00000003"):
        CODEC.open(3, sealed(NEXT, BASE).data)


def test_a_record_sealed_at_the_place_of_another_version_is_refused() -> None:
    """Nobody without the keys can make one; a faulty writer could."""
    key = log_key("work", 3)
    packed = pack(CODEC.open(2, sealed(NEXT, BASE).data), overhead=OVERHEAD)
    place = Place(CODEC.store_id, CODEC.workspace_id, "record", key)
    data = seal(CODEC.secrets[2], 2, place, packed, random=os.urandom)
    with pytest.raises(Damaged, match="not the record of this version"):
        CODEC.open(3, data)


def test_a_document_over_the_limit_is_refused_with_the_limit() -> None:
    size = len(encode(NEXT))
    with pytest.raises(LimitExceeded, match=f"the limit is {size - 1:,}"):
        sealed(NEXT, BASE, limit=size - 1)
    assert sealed(NEXT, BASE, limit=size).encoded == encode(NEXT)


def test_its_repr_shows_no_secret() -> None:
    assert "secrets" not in repr(CODEC)


@pytest.mark.parametrize("first", [1, 38])
@pytest.mark.parametrize("cuts", [(), (300, 301)])
def test_what_a_version_leaves_is_all_that_no_later_one_is_based_on(
    first: int, cuts: tuple[int, ...]
) -> None:
    codec = replace(CODEC, first=first, cuts=cuts)
    kept: set[int] = set()
    for version in range(first, first + 600):
        assert codec.base(version) in {None, *kept}
        left = set(codec.left_by(version))
        assert left <= kept
        kept = (kept - left) | {version}
        assert kept == set(codec.chain(version))
