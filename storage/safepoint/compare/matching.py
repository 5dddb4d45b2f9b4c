"""Which items of two lists are the same: what begins and ends alike, then items that occur once.

Takes n log n steps for lists of n items, whatever is in them. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from safepoint.values import dataclass

__all__ = ["Matching", "matched", "pairs"]

_ROUNDS: Final = 8
"""How often a stretch between two matches is looked into again."""

_Stretch: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Matching:
    """`gaps` are stretches without a match: places in the old list and in the new one. `moved`
    gives the old place of each item that is the same and stands elsewhere, by its new place."""

    gaps: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    moved: Mapping[int, int]


def matched(old: Sequence[Hashable], new: Sequence[Hashable]) -> Matching:
    """Match two lists by their items' digests."""
    open_stretches = [(0, len(old), 0, len(new))]
    for _ in range(_ROUNDS):
        divided = [part for one in open_stretches for part in _divide(old, new, one)]
        if divided == open_stretches:
            break
        open_stretches = divided
    moved = _moved(old, new, open_stretches)
    from_places = set(moved.values())
    gaps = (
        (
            tuple(at for at in range(first, last) if at not in from_places),
            tuple(at for at in range(new_first, new_last) if at not in moved),
        )
        for first, last, new_first, new_last in open_stretches
    )
    return Matching(tuple(gap for gap in gaps if gap[0] or gap[1]), moved)


def pairs(
    left: Sequence[int],
    put: Sequence[int],
    left_names: Mapping[int, Hashable],
    put_names: Mapping[int, Hashable],
) -> Iterator[tuple[int | None, int | None]]:
    """Old and new places of one gap that belong together, in new order; None where nothing does.

    Items of one name do, and then those without a name in their order.
    """
    by_name = {left_names[at]: at for at in left if left_names[at] is not None}
    partner = {}
    for at in put:
        was = by_name.pop(put_names[at], None)
        if was is not None:
            partner[at] = was
    taken = set(partner.values())
    rest = iter([at for at in left if at not in taken and left_names[at] is None])
    for at in put:
        if at not in partner and put_names[at] is None:
            was = next(rest, None)
            if was is not None:
                partner[at] = was
    for at in put:
        yield partner.get(at), at
    taken = set(partner.values())
    for at in left:
        if at not in taken:
            yield at, None


def _divide(
    old: Sequence[Hashable], new: Sequence[Hashable], stretch: _Stretch
) -> Iterator[_Stretch]:
    """What is left of a stretch without what matches in it, in order."""
    first, last, new_first, new_last = stretch
    while first < last and new_first < new_last and old[first] == new[new_first]:
        first, new_first = first + 1, new_first + 1
    while first < last and new_first < new_last and old[last - 1] == new[new_last - 1]:
        last, new_last = last - 1, new_last - 1
    if first < last and new_first < new_last:
        for at, new_at in _anchors(old, new, (first, last, new_first, new_last)):
            if first < at or new_first < new_at:
                yield first, at, new_first, new_at
            first, new_first = at + 1, new_at + 1
    if first < last or new_first < new_last:
        yield first, last, new_first, new_last


def _anchors(
    old: Sequence[Hashable], new: Sequence[Hashable], stretch: _Stretch
) -> list[tuple[int, int]]:
    """The longest row of items that occur once in both and in the same order (patience)."""
    first, last, new_first, new_last = stretch
    places = _once(old, range(first, last))
    news = _once(new, range(new_first, new_last))
    common = [(places[item], at) for item, at in news.items() if item in places]
    tops: list[int] = []
    chain: list[int] = []
    before: list[int] = []
    for index, (place, _) in enumerate(common):
        pile = bisect_left(tops, place)
        before.append(chain[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [place]
        chain[pile : pile + 1] = [index]
    row: list[tuple[int, int]] = []
    index = chain[-1] if chain else -1
    while index >= 0:
        row.append(common[index])
        index = before[index]
    return row[::-1]


def _once(items: Sequence[Hashable], places: range) -> dict[Hashable, int]:
    counts = Counter(items[at] for at in places)
    return {items[at]: at for at in places if counts[items[at]] == 1}


def _moved(
    old: Sequence[Hashable], new: Sequence[Hashable], stretches: Sequence[_Stretch]
) -> dict[int, int]:
    """Items that occur once in what is left on both sides."""
    olds = [at for first, last, _, _ in stretches for at in range(first, last)]
    news = [at for _, _, first, last in stretches for at in range(first, last)]
    counts, new_counts = Counter(old[at] for at in olds), Counter(new[at] for at in news)
    places = {old[at]: at for at in olds if counts[old[at]] == 1}
    return {at: places[new[at]] for at in news if new_counts[new[at]] == 1 and new[at] in places}
