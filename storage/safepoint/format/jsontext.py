"""A client's JSON as stored bytes, and back: nothing is changed, guessed or lost on the way.

What could not come back equal (NaN, dates, other keys than text) is refused with its place.
"""

from __future__ import annotations

import json
import marshal
import math
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final, NoReturn, TypeAlias, cast

import orjson

from safepoint.errors import InvalidInput, LimitExceeded
from safepoint.model import JSON

__all__ = [
    "DEPTH_MAX",
    "DIGITS_MAX",
    "check_json",
    "decode_json",
    "depth_of_text",
    "encode_json",
    "json_start",
    "write_json",
]

DEPTH_MAX: Final = 200
"""No `max_depth` goes beyond this: several JSON parsers give up or crash soon after it."""

DIGITS_MAX: Final = 4000
"""Python itself refuses to read or write integers of more than 4,300 digits."""

_OPTIONS: Final = (
    orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
)
_WIDE: Final = 10**DIGITS_MAX
_FLOAT: Final = b"g\xe7"  # how a float begins in marshal's bytes, the second if it is shared
_NOT_FINITE = tuple(
    re.compile(mark + rb".{6}[\xf0-\xff][\x7f\xff]", re.DOTALL) for mark in (b"g", b"\xe7")
)
_FEW: Final = 100
_MASK: Final = bytes(ord("0") if 48 <= byte <= 57 else ord(" ") for byte in range(256))
_WIDE_RUN: Final = b"0" * 19
_BEFORE_VALUE: Final = (b"", b"[", b",", b":", b" ", b"\t", b"\n", b"\r")
_GOES_ON: Final = (b".", b"e", b"E")
_WIDE_INTEGER = re.compile(rb"(\A|[\[,:\s])-?[0-9]{19,}(?![0-9.eE])")
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_STEP: Final = {ord("["): 1, ord("]"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HINT: Final = (
    "Only null, booleans, finite numbers, text, lists and objects with text keys can be stored; "
    "turn other values into text first."
)

_Path: TypeAlias = tuple[str | int, ...]


def encode_json(value: object, *, max_depth: int = 128) -> bytes:
    """The value as compact UTF-8 JSON: key order kept, integers exact, tuples as arrays.

    `max_depth` is how many lists and objects may lie in one another, at most `DEPTH_MAX`. One value
    always gives the same bytes. Subclasses of the JSON types are refused like any other type.

    Raises:
        InvalidInput: something in the value is not JSON. The message names the first such place
            (`$.a[3].b`), never the value there. Codes `not_json`, `not_finite`, `not_unicode`.
        LimitExceeded: nested too deeply (`too_deep`) or an integer of more than 4,000 digits
            (`integer_too_wide`).
    """
    return check_json(value, write_json(value, max_depth=max_depth), max_depth=max_depth)


def write_json(value: object, *, max_depth: int) -> bytes | None:
    """What orjson makes of the value, to be given to `check_json`; None when it refuses.

    orjson stops at a fixed depth, so lists around the value leave it just `max_depth` levels.
    """
    around = _ORJSON_DEPTH - min(max_depth, DEPTH_MAX)
    if around < 0:
        return None
    wrapped = value
    for _ in range(around):
        wrapped = [wrapped]
    try:
        text = orjson.dumps(wrapped, option=_OPTIONS)
    except (TypeError, ValueError):
        return None
    return text[around : len(text) - around]


def check_json(value: object, text: bytes | None, *, max_depth: int) -> bytes:
    """What `encode_json` makes of the value, and raises; `text` is what `write_json` made of it."""
    if text is None or not _is_exact(value, text):
        _refuse_first_fault(value, min(max_depth, DEPTH_MAX))
    if text is not None:
        return text
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")
    ).encode()


def decode_json(data: bytes) -> JSON:
    """The value that `encode_json` made these bytes from (tuples come back as lists).

    Raises:
        ValueError: this is not JSON text. Of equal keys in one object the last one counts.
    """
    try:
        value = orjson.loads(data)
    except ValueError:  # as it also says of an integer that is larger than any float
        if not _holds_wide_integer(data):
            raise
    else:
        if _is_written_so(value, data) or not _holds_wide_integer(data):
            return cast(JSON, value)
    orjson.loads(_WIDE_INTEGER.sub(rb"\g<1>0", data))  # stricter than json, but makes them floats
    try:
        return cast(JSON, json.loads(data.decode()))
    except RecursionError:
        raise ValueError("the JSON text is nested too deeply") from None


def json_start(data: bytes, chars: int) -> str:
    """The JSON text, or its first characters and an ellipsis."""
    text = data[: 4 * chars + 4].decode(errors="ignore")
    return text if len(text) <= chars else f"{text[: chars - 1]}…"


def _is_written_so(value: Any, data: bytes) -> bool:
    """Whether orjson writes the value just so: then no integer in the text was too wide for it,
    since it has read such a one as a float, and writes floats with a point or an exponent."""
    try:
        return orjson.dumps(value) == data
    except TypeError:  # nested too deeply for writing
        return False


def _holds_wide_integer(data: bytes) -> bool:
    """False when no run of 19 digits can be an integer: there is none, or all lie in other text."""
    mask = data.translate(_MASK)
    start = mask.find(_WIDE_RUN)
    while start >= 0:
        end = mask.find(b" ", start)
        if end < 0:
            end = len(data)
        first = start - (data[start - 1 : start] == b"-")
        if data[max(0, first - 1) : first] in _BEFORE_VALUE and data[end : end + 1] not in _GOES_ON:
            return True
        start = mask.find(_WIDE_RUN, end)
    return False


def depth_of_text(text: bytes) -> int:
    """How many lists and objects lie in one another in a JSON text, without parsing it.

    Takes linear time and no recursion. For a text that is not JSON the answer is at least the depth
    that a parser would reach before it stops.
    """
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    rest = text.translate(_BRACKETS, _NO_BRACKETS).replace(b'""', b"")
    if b'"' in rest:
        rest = b"".join(rest.split(b'"')[::2])
    rounds = 0
    while rest:  # each round takes the innermost pairs away
        outer = rest.replace(b"[]", b"")
        if len(outer) * 4 > len(rest) * 3:
            break
        rest = outer
        rounds += 1
    return rounds + max(accumulate(map(_STEP.__getitem__, rest), initial=0))


def _is_exact(value: object, text: bytes) -> bool:
    """Whether what orjson made of the value can be trusted; if not, somebody has to look closer.

    orjson also takes UUIDs, enums and fragments, which marshal does not: marshal takes exact
    built-in types only. And it writes NaN as null, which shows in the bytes of the floats that
    marshal made.
    """
    try:
        types = marshal.dumps(cast(Any, value), 4)
    except (TypeError, ValueError):
        return False
    return not (_may_hold_nan(types) and b"null" in text)


def _may_hold_nan(types: bytes) -> bool:
    """Whether a float that is not finite may be in what marshal made. Its last byte is rare
    elsewhere, and found sooner than any word in the text."""
    for last_byte in (b"\x7f", b"\xff"):
        end = types.find(last_byte)
        for _ in range(_FEW):
            if end < 0:
                break
            if end >= 8 and types[end - 1] >= 0xF0 and types[end - 8] in _FLOAT:
                return True
            end = types.find(last_byte, end + 1)
        else:
            return any(mark.search(types) for mark in _NOT_FINITE)
    return False


def _orjson_depth() -> int:
    """How deep a value orjson writes (254 so far), or -1 when it is not a small fixed number."""
    value: list[object] = []
    for depth in range(1, 2000):
        try:
            orjson.dumps(value)
        except TypeError:
            return depth - 1
        value = [value]
    return -1


_ORJSON_DEPTH: Final = _orjson_depth()


def _refuse_first_fault(value: object, max_depth: int) -> None:
    """Raise for the first place, in the order of the text, that is not JSON; else return."""
    above: list[str | int] = []
    open_containers: list[Iterator[tuple[str | int, object]]] = [iter([("$", value)])]
    while open_containers:
        found = next(open_containers[-1], None)
        if found is None:
            open_containers.pop()
            del above[-1:]
            continue
        place, item = found
        if type(item) not in (list, tuple, dict):
            _check_scalar(item, (*above, place)[1:])
            continue
        above.append(place)
        path = tuple(above[1:])
        if len(open_containers) > max_depth:
            raise LimitExceeded(
                f"the value is nested more than {max_depth} levels deep at {_show(path)}",
                hint="Make it flatter, or store the inner part as text.",
                code="too_deep",
            )
        open_containers.append(_items(item, path))


def _items(container: Any, path: _Path) -> Iterator[tuple[str | int, object]]:
    if type(container) is not dict:
        yield from enumerate(container)
        return
    for key, item in container.items():
        if type(key) is not str:
            _refuse(f"a key of the object at {_show(path)} is {_kind(key)}, not text")
        if not _is_unicode(key):
            _refuse(
                f"a key of the object at {_show(path)} holds half of a surrogate pair",
                code="not_unicode",
            )
        yield key, item


def _check_scalar(item: object, path: _Path) -> None:
    kind = type(item)
    if item is None or kind is bool:
        return
    if kind is str:
        if not _is_unicode(cast(str, item)):
            _refuse(f"the text at {_show(path)} holds half of a surrogate pair", code="not_unicode")
    elif kind is float:
        if not math.isfinite(cast(float, item)):
            _refuse(
                f"the number at {_show(path)} is NaN or infinite, which JSON cannot hold",
                code="not_finite",
            )
    elif kind is int:
        if not -_WIDE < cast(int, item) < _WIDE:
            raise LimitExceeded(
                f"the integer at {_show(path)} has more than {DIGITS_MAX:,} digits",
                hint="Store it as text.",
                code="integer_too_wide",
            )
    else:
        _refuse(f"the value at {_show(path)} is {_kind(item)}, which is not a JSON type")


def _is_unicode(text: str) -> bool:
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _kind(value: object) -> str:
    return f"of the Python type {type(value).__name__[:60]}"


def _show(path: _Path) -> str:
    """`$.a[3]["b c"]`; long keys and long paths are cut in the middle."""
    parts = [_show_part(part) for part in path]
    if len(parts) > 12:
        parts[6:-6] = [" … "]
    return "$" + "".join(parts)


def _show_part(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    if len(part) > 60:
        part = f"{part[:40]}…{part[-10:]}"
    return f".{part}" if _PLAIN_KEY.fullmatch(part) else f"[{json.dumps(part)}]"


def _refuse(message: str, *, code: str = "not_json") -> NoReturn:
    raise InvalidInput(message, hint=_HINT, code=code)
