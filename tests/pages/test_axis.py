"""The time axis keeps order, fills its width, and cuts only long idle stretches short."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from safepoint.pages.axis import Axis

TIMES = st.lists(
    st.floats(0, 1e9) | st.integers(0, 10).map(float), min_size=1, max_size=30
)  # fmt: skip


@given(TIMES, st.floats(-10, 1e9 + 10))
def test_later_is_never_further_left_and_all_lies_inside(times: list[float], any_: float) -> None:
    axis = Axis(times, 100, 900)
    places = [axis.place(time) for time in sorted([*times, any_])]
    assert all(after - before >= -1e-6 for before, after in pairwise(places))
    assert all(99.999 <= place <= 900.001 for place in places)


@given(TIMES)
def test_ticks_keep_apart_and_out_of_gaps(times: list[float]) -> None:
    axis = Axis(times, 100, 900)
    places = [place for _, place in axis.ticks()]
    assert places
    assert all(after - before >= 60 for before, after in pairwise(places))
    for gap in axis.gaps:
        assert not [place for place in places if gap.left < place < gap.right - 1e-6]


@given(TIMES)
def test_a_cut_gap_holds_no_event(times: list[float]) -> None:
    for gap in Axis(times, 100, 900).gaps:
        assert not [time for time in times if gap.start < time < gap.end]


def test_a_night_between_two_bursts_is_cut_short() -> None:
    morning = [float(n) for n in range(10)]
    axis = Axis([*morning, *(60_000 + n for n in morning)], 0, 1000)
    assert [(gap.start, gap.end) for gap in axis.gaps] == [(9.0, 60_000.0)]
    assert axis.place(9) > 400
    assert axis.place(60_000) < 600


def test_an_even_pace_is_not_cut() -> None:
    assert Axis([float(n * 60) for n in range(20)], 0, 1000).gaps == []


def test_a_single_moment_lies_in_the_middle() -> None:
    assert Axis([5.0], 0, 1000).place(5) == 500


def test_moments_that_are_next_to_nothing_beside_a_gap_are_still_told_apart() -> None:
    axis = Axis([0.0, 1e-9, 2e-9, 1e9], 0, 1000)
    assert [(gap.start, gap.end) for gap in axis.gaps] == [(2e-9, 1e9)]
    assert 0 == axis.place(0) < axis.place(1e-9) < axis.place(2e-9) < axis.place(1e9) == 1000
