"""What differs between two JSON values, by paths: bounded in work and in output. Pure.

Paths are JSON Pointers (RFC 6901). In lists what begins and ends alike is matched first, then items
that occur once on both sides; so an item put in, taken out or moved shows as just that.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, Final

import orjson

from safepoint.compare.matching import matched, pairs
from safepoint.format.jsontext import encode_json
from safepoint.model import Change, ChangeKind, Changes

__all__ = ["MISSING", "Collected", "compare_json"]

VALUE_CHARS: Final = 200
SHOWN: Final = 100
WORK: Final = 256 * 1024 * 1024
"""Bytes of JSON that are looked at. A state of 16 MiB passes several times over."""

_CONTEXT: Final = 40
_WHOLE_BYTES: Final = 32
_IDENTITIES: Final = ("id", "name", "key", "step", "path")
MISSING: Final = object()


def compare_json(
    old: Any, new: Any, *, limit: int = SHOWN, value_chars: int = VALUE_CHARS, work: int = WORK
) -> Changes:
    """The changes from `old` to `new`, MISSING for none: the first `limit`, values cut.

    1, 1.0 and true differ; the order of keys does not matter. Takes time linear in the size of the
    values and their nesting, at most about `work` bytes.
    """
    found = Collected(limit, value_chars)
    _Walk(found, work).values("", "", old, new)
    return found.changes()


class Collected:
    """Changes as they are found: all are counted, the first are kept."""

    def __init__(self, limit: int, value_chars: int) -> None:
        self._limit = limit
        self._chars = value_chars
        self._items: list[Change] = []
        self._counts: Counter[ChangeKind] = Counter()
        self.incomplete = False

    def add(
        self,
        kind: ChangeKind,
        path: str,
        *,
        old: str | None = None,
        new: str | None = None,
        from_path: str | None = None,
    ) -> None:
        """One change whose values are words already."""
        self._counts[kind] += 1
        if not self.full:
            elsewhere = from_path if from_path != path else None
            old, new = (one and _cut(one, self._chars) for one in (old, new))
            self._items.append(Change(kind, path, old, new, elsewhere))

    def add_json(self, kind: ChangeKind, path: str, from_path: str, old: Any, new: Any) -> None:
        """One change of JSON values; MISSING for one that is not there."""
        if self.full:
            self._counts[kind] += 1
            return
        shown_old, shown_new = _shown(old, new, self._chars)
        self.add(kind, path, old=shown_old, new=shown_new, from_path=from_path)

    @property
    def full(self) -> bool:
        return len(self._items) >= self._limit

    def changes(self) -> Changes:
        counts = {kind.value: self._counts[kind] for kind in ChangeKind}
        return Changes(tuple(self._items), **counts, incomplete=self.incomplete)


def _shown(old: Any, new: Any, chars: int) -> tuple[str | None, str | None]:
    """Both values as JSON text, cut to size; of two long texts the part where they begin to
    differ."""
    if isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > chars:
        start = max(0, _common(old, new) - _CONTEXT)
        skipped = f"…{start} characters… " if start else ""
        return skipped + _text(old[start:], chars), skipped + _text(new[start:], chars)
    return (
        None if old is MISSING else _text(old, chars),
        None if new is MISSING else _text(new, chars),
    )


def _pointer(path: str, part: str | int) -> str:
    """The JSON Pointer of a member or an item."""
    return f"{path}/{str(part).replace('~', '~0').replace('/', '~1')}"


class _Walk:
    """Goes down both values at once. `_left` is the work that may still be done."""

    def __init__(self, found: Collected, work: int) -> None:
        self._found = found
        self._left = work

    def values(self, path: str, from_path: str, old: Any, new: Any) -> None:
        if old is new is MISSING:
            return
        if old is MISSING or new is MISSING:
            kind = ChangeKind.ADDED if old is MISSING else ChangeKind.REMOVED
            self._found.add_json(kind, path, from_path, old, new)
        elif isinstance(old, dict) and isinstance(new, dict):
            self._objects(path, from_path, old, new)
        elif isinstance(old, list) and isinstance(new, list):
            self._lists(path, from_path, old, new)
        elif type(old) is not type(new) or old != new:
            self._found.add_json(ChangeKind.CHANGED, path, from_path, old, new)

    def _objects(self, path: str, from_path: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        for key, value in new.items():
            here, there = _pointer(path, key), _pointer(from_path, key)
            if key in old:
                self.values(here, there, old[key], value)
            else:
                self._found.add_json(ChangeKind.ADDED, here, here, MISSING, value)
        for key, value in old.items():
            if key not in new:
                there = _pointer(from_path, key)
                self._found.add_json(ChangeKind.REMOVED, there, there, value, MISSING)

    def _lists(self, path: str, from_path: str, old: list[Any], new: list[Any]) -> None:
        if self._left <= 0:
            if old != new:
                self._found.incomplete = True
                self._found.add_json(ChangeKind.CHANGED, path, from_path, old, new)
            return
        matching = matched(self._digests(old), self._digests(new))
        for left, put in matching.gaps:
            self._gap((path, from_path), old, new, left, put)
        for now, was in matching.moved.items():
            here, there = _pointer(path, now), _pointer(from_path, was)
            self._found.add_json(ChangeKind.MOVED, here, there, MISSING, new[now])

    def _gap(
        self,
        paths: tuple[str, str],
        old: list[Any],
        new: list[Any],
        left: Sequence[int],
        put: Sequence[int],
    ) -> None:
        """Items between two that match: those that mean the same are compared inside."""
        path, from_path = paths
        names = ({at: _identity(old[at]) for at in left}, {at: _identity(new[at]) for at in put})
        for was, now in pairs(left, put, *names):
            here = _pointer(path, -1 if now is None else now)
            there = _pointer(from_path, -1 if was is None else was)
            if was is None and now is not None:
                self._found.add_json(ChangeKind.ADDED, here, here, MISSING, new[now])
            elif now is None and was is not None:
                self._found.add_json(ChangeKind.REMOVED, there, there, old[was], MISSING)
            elif was is not None and now is not None:
                self.values(here, there, old[was], new[now])

    def _digests(self, items: list[Any]) -> list[Hashable]:
        """What is equal exactly for items that are the same."""
        digests: list[Hashable] = []
        for item in items:
            if not isinstance(item, dict | list):
                self._left -= len(item) if isinstance(item, str) else 8
                digests.append((type(item), item))
                continue
            text = _canonical(item)
            self._left -= len(text)
            digests.append(text if len(text) <= _WHOLE_BYTES else hashlib.sha256(text).digest())
        return digests


def _canonical(value: Any) -> bytes:
    """The same bytes exactly for the same value, however its keys are ordered."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an integer of more than 64 bits
        return json.dumps(value, ensure_ascii=False, sort_keys=True).encode()


def _identity(item: Any) -> bytes | None:
    """What tells an object from others in a list, where it says so itself."""
    if isinstance(item, dict):
        for key in _IDENTITIES:
            value = item.get(key)
            if isinstance(value, str | int):
                return f"{key} {type(value).__name__} {value}".encode()
    return None


def _text(value: Any, chars: int) -> str:
    if isinstance(value, str):
        value = value[: chars + 1]
    return _cut(encode_json(value, max_depth=200).decode(), chars)


def _cut(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[: chars - 1]}…"


def _common(one: str, other: str) -> int:
    """How many characters both begin with: by halving, since texts may be long."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
