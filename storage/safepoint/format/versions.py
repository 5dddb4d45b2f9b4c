"""Sets of versions as ranges, and what a pruned workspace still has below its floor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from safepoint.format.document import KEPT, Document
from safepoint.format.keys import VERSION_MAX
from safepoint.values import dataclass

__all__ = ["NO_VERSIONS", "Kept", "Versions", "existing", "is_pruned", "kept_of", "with_kept"]


@dataclass(frozen=True, slots=True)
class Versions:
    """A set of versions: ascending ranges, first and last included, that never touch."""

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, versions: Iterable[int]) -> Versions:
        return cls.covering((version, version) for version in versions)

    @classmethod
    def covering(cls, ranges: Iterable[tuple[int, int]]) -> Versions:
        """The union of ranges, which may overlap and come in any order."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if first > last:
                continue
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    def __contains__(self, version: int) -> bool:
        at = bisect_right(self.ranges, (version, VERSION_MAX)) - 1
        return at >= 0 and version <= self.ranges[at][1]

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __reversed__(self) -> Iterator[int]:
        for first, last in reversed(self.ranges):
            yield from range(last, first - 1, -1)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    def __or__(self, other: Versions) -> Versions:
        return Versions.covering((*self.ranges, *other.ranges))

    def __sub__(self, other: Versions) -> Versions:
        left: list[tuple[int, int]] = []
        for first, last in self.ranges:
            for start, end in other._over(first, last):
                left.append((first, start - 1))
                first = end + 1
            left.append((first, last))
        return Versions.covering(left)

    def between(self, first: int, last: int) -> Versions:
        """Those from `first` to `last`."""
        return Versions(
            tuple((max(start, first), min(end, last)) for start, end in self._over(first, last))
        )

    def any_between(self, first: int, last: int) -> bool:
        return next(self._over(first, last), None) is not None

    def _over(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The ranges that have a version from `first` to `last`."""
        if first > last:
            return
        at = max(0, bisect_right(self.ranges, (first, VERSION_MAX)) - 1)
        for start, end in self.ranges[at:]:
            if start > last:
                return
            if end >= first:
                yield start, end

    def encode(self) -> bytes:
        """The number of ranges, then each as the gap before it and its length, as varints."""
        numbers, before = [len(self.ranges)], 0
        for first, last in self.ranges:
            numbers += (first - before, last - first)
            before = last
        return b"".join(map(_varint, numbers))

    @classmethod
    def decode(cls, data: bytes, at: int = 0) -> tuple[Versions, int]:
        """The set that begins at this place, and where it ends. Raises ValueError."""
        count, at = _number(data, at)
        ranges: list[tuple[int, int]] = []
        last = 0
        for _ in range(count):
            gap, at = _number(data, at)
            length, at = _number(data, at)
            first, last = last + gap, last + gap + length
            if gap < 1 or last > VERSION_MAX:
                raise ValueError("not a set of versions")
            ranges.append((first, last))
        return cls.covering(ranges), at


NO_VERSIONS = Versions()


@dataclass(frozen=True, slots=True)
class Kept:
    """What exists below the floor: what stays for good, and the rest, which stays while the
    workspace has a reason for it."""

    lasting: Versions = NO_VERSIONS
    others: Versions = NO_VERSIONS

    @property
    def all(self) -> Versions:
        return self.lasting | self.others

    def encode(self) -> bytes:
        return self.lasting.encode() + self.others.encode()

    @classmethod
    def decode(cls, data: bytes) -> Kept:
        """Raises ValueError."""
        lasting, at = Versions.decode(data)
        others, at = Versions.decode(data, at)
        if at != len(data):
            raise ValueError("the kept versions do not fill their region")
        return cls(lasting, others)


def kept_of(document: Document) -> Kept:
    data = document.regions.get(KEPT)
    return Kept() if data is None else Kept.decode(data)


def with_kept(document: Document, kept: Kept) -> Document:
    regions = {name: data for name, data in document.regions.items() if name != KEPT}
    if kept.lasting.ranges or kept.others.ranges:
        regions[KEPT] = kept.encode()
    return document.changed(regions=regions)


def is_pruned(document: Document, version: int) -> bool:
    """Whether the workspace, now at `document`, has pruned this version."""
    return version < document.floor and version not in kept_of(document).all


def existing(document: Document, first: int = 1) -> Versions:
    """All versions that it has; `first` is the workspace's first one ever."""
    from_floor = (max(first, document.floor), document.version)
    return kept_of(document).all | Versions.covering([from_floor])


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            raise ValueError("the kept versions end too early")
        byte, at = data[at], at + 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise ValueError("not a number of a version")
