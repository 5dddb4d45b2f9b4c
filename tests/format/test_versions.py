"""Sets of versions: they are sets, whatever ranges they were made of, and small when stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from safepoint.format.document import EMPTY
from safepoint.format.versions import Kept, Versions, existing, is_pruned, kept_of, with_kept

NUMBERS = st.sets(st.integers(1, 60))


@given(NUMBERS, NUMBERS, st.integers(0, 61), st.integers(0, 61))
@example({1, 22, 23}, set(), 23, 22)
def test_they_are_sets(a: set[int], b: set[int], first: int, last: int) -> None:
    one, other = Versions.of(a), Versions.of(b)
    assert list(one) == sorted(a)
    assert list(reversed(one)) == sorted(a, reverse=True)
    assert len(one) == len(a)
    assert list(one | other) == sorted(a | b)
    assert list(one - other) == sorted(a - b)
    assert [n for n in range(62) if n in one] == sorted(a)
    inside = sorted(n for n in a if first <= n <= last)
    assert list(one.between(first, last)) == inside
    assert one.any_between(first, last) == bool(inside)
    assert Versions.of(a | b) == one | other


@given(NUMBERS, NUMBERS)
def test_what_is_kept_comes_back_as_it_was_stored(a: set[int], b: set[int]) -> None:
    kept = Kept(Versions.of(a), Versions.of(b))
    assert Kept.decode(kept.encode()) == kept
    assert kept_of(with_kept(EMPTY, kept)) == kept


def test_twenty_thousand_versions_in_a_row_take_a_few_bytes() -> None:
    assert len(Versions.covering([(1, 20_000)]).encode()) < 8
    assert len(Versions.of(range(1, 20_000, 100)).encode()) < 500


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x00\x00\x00", b"\x00\x00\x00", b"\xff" * 9])
def test_other_bytes_are_no_set(data: bytes) -> None:
    with pytest.raises(ValueError, match="version"):
        Kept.decode(data)


def test_below_the_floor_exists_only_what_is_kept() -> None:
    document = with_kept(replace(EMPTY, version=9, floor=6), Kept(Versions.of([2])))
    assert list(existing(document)) == [2, 6, 7, 8, 9]
    assert [v for v in range(1, 10) if is_pruned(document, v)] == [1, 3, 4, 5]
    assert list(existing(replace(EMPTY, version=3))) == [1, 2, 3]
    assert list(existing(replace(EMPTY, version=9), first=8)) == [8, 9]
