"""A time axis on which long idle stretches are cut short, so that what happened stays visible."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from safepoint.values import dataclass

__all__ = ["Axis", "Gap"]

_MAX_GAPS = 5
_GAP_WIDTH = 44.0
_TICK_SPACE = 120.0
_TICK_WIDTH = 60.0


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing happened between the times `start` and `end`, drawn from `left` to `right`."""

    start: float
    end: float
    left: float
    right: float


class Axis:
    """Maps times in seconds to places from `left` to `right`, in order and without a jump.

    A gap between two of `times` is cut short when it alone would take more than 15 % of the width
    and is much longer than most gaps; at most five are.
    """

    def __init__(self, times: Iterable[float], left: float, right: float) -> None:
        self.right = right
        moments = sorted(set(times))
        cut = _long_gaps(moments)
        # Added up, not taken from the whole: among far larger gaps that would leave nothing.
        linear = sum(end - start for start, end in pairwise(moments) if (start, end) not in cut)
        width = right - left - _GAP_WIDTH * len(cut)
        self.gaps: list[Gap] = []
        self._knots = [(moments[0], left if linear else (left + right) / 2)]
        for start, end in cut:
            at, place = self._knots[-1]
            place += (start - at) / linear * width
            self.gaps.append(Gap(start, end, place, place + _GAP_WIDTH))
            self._knots += [(start, place), (end, place + _GAP_WIDTH)]
        if linear:
            self._knots.append((moments[-1], right))

    def place(self, time: float) -> float:
        """Times outside those of the axis lie at its ends."""
        before, at = self._knots[0]
        if time <= before:
            return at
        for after, to in self._knots[1:]:
            if time <= after:
                return at + (to - at) * (time - before) / (after - before) if after > before else to
            before, at = after, to
        return at

    def ticks(self) -> list[tuple[float, float]]:
        """Times and their places for labels, far enough apart and never inside a gap."""
        found: list[tuple[float, float]] = []
        cut = {(gap.left, gap.right) for gap in self.gaps}
        for (start, left), (end, right) in pairwise(self._knots):
            if (left, right) in cut:
                continue
            count = max(1, int((right - left) // _TICK_SPACE))
            for index in range(count):
                place = left + (right - left) * index / count
                free = place - found[-1][1] >= _TICK_SPACE * 0.6 if found else True
                if free and place <= self.right - _TICK_WIDTH:
                    found.append((start + (end - start) * index / count, place))
        return found or [self._knots[0]]


def _long_gaps(moments: list[float]) -> list[tuple[float, float]]:
    """The gaps to cut short, in order; never all there is."""
    gaps = sorted(
        ((end - start, start, end) for start, end in pairwise(moments)),
        reverse=True,
    )
    if len(gaps) < 3:
        return []
    usual = gaps[len(gaps) // 3][0]
    span = moments[-1] - moments[0]
    cut = []
    for length, start, end in gaps[: min(_MAX_GAPS, len(gaps) - 2)]:
        if length < 0.15 * span or length < 5 * usual:
            break
        cut.append((start, end))
        span -= length
    return sorted(cut)
