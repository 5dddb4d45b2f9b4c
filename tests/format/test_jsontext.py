"""What a client saves comes back equal, and what could not is refused with its place."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import math
import struct
import uuid
from collections import OrderedDict, namedtuple
from types import MappingProxyType

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint.errors import InvalidInput, LimitExceeded
from safepoint.format.jsontext import DEPTH_MAX, decode_json, depth_of_text, encode_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
INTEGERS = st.integers() | st.integers(-(2**64) - 5, 2**64 + 5) | st.integers(-(10**400), 10**400)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | TEXT
JSONS = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30
)
NARROW = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | FLOATS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=30,
)


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: int = 1


Pair = namedtuple("Pair", ["left", "right"])


def exactly(value: object) -> str:
    """Tells apart what == does not: 1, 1.0 and True; 0.0 and -0.0; the order of keys."""
    if isinstance(value, dict):
        return "/".join(["{", *(f"{key!r}:{exactly(item)}" for key, item in value.items()), "}"])
    if isinstance(value, list):
        return "/".join(["[", *map(exactly, value), "]"])
    return f"{type(value).__name__}({value!r})"


def nested(levels: int, inner: object = "x") -> object:
    for level in range(levels):
        inner = [inner] if level % 2 else {"k": inner}
    return inner


@given(JSONS)
def test_what_is_saved_comes_back_exactly(value: object) -> None:
    assert exactly(decode_json(encode_json(value))) == exactly(value)


@given(JSONS)
def test_the_stored_bytes_are_compact_json_that_any_parser_reads(value: object) -> None:
    text = encode_json(value).decode()
    assert exactly(json.loads(text)) == exactly(value)
    assert encode_json(decode_json(text.encode())) == text.encode()


@given(NARROW)
def test_plain_data_gives_the_bytes_that_orjson_gives(value: object) -> None:
    assert encode_json(value) == orjson.dumps(value)


def test_bytes_that_look_like_those_of_nan_change_nothing() -> None:
    first, second = struct.unpack("<dd", b"\0\0\0\0\0\0\0g" + b"\0\0\0\0\0\xf0\x7f\x01")
    value = [None, 1e-5, first, second]  # marshal writes them as g.......g g.....\xf0\x7f.
    assert encode_json(value) == orjson.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        2**63, -(2**63) - 1, 2**64, -(2**64), 10**19, 10**18, 10**3999, -(10**3999), [2**64, -0.0],
        0.0001234567890123456789, 1e308, 5e-324, -0.0, 1e22, 123456789012345678901234.0,
        "12345678901234567890", ", 12345678901234567890", "\\u12345678901234567890\0",
        {"12345678901234567890": 1}, {"": None, "a": {"b": [True, False, None]}}, "null", [None],
        "g\x00\x00\x00\x00\x00\x00\x7f null", {"n": None, "i": -1, "f": [-0.5] * 3}, "😀\u2028\x7f",
    ],
)  # fmt: skip
def test_awkward_values_come_back_exactly(value: object) -> None:
    assert exactly(decode_json(encode_json(value))) == exactly(value)
    mixed = {"wide": 2**70, "value": value}
    assert exactly(decode_json(encode_json(mixed))) == exactly(mixed)


@pytest.mark.parametrize("text", ["[%d]", "[%d,0.5]", '{"a":%d,"b":1.0}', " [ %d ] ", "[1e2,%d]"])
@pytest.mark.parametrize("number", [2**63 - 1, 2**64 - 1, 2**64, -(2**63) - 1, 10**19, 10**30])
def test_integers_of_any_width_are_read_exactly_from_any_text(text: str, number: int) -> None:
    assert exactly(decode_json((text % number).encode())) == exactly(json.loads(text % number))


def test_tuples_are_stored_as_arrays() -> None:
    assert encode_json((1, (2, ()), None)) == b"[1,[2,[]],null]"


def test_one_object_may_stand_in_many_places() -> None:
    shared = [0.5, None, "text", {"a": 1.25}]
    assert decode_json(encode_json([shared] * 3)) == [shared] * 3


NOT_JSON = [
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.date(2026, 1, 1), datetime.time(1),
    uuid.UUID(int=1), {1}, frozenset(), b"bytes", bytearray(b"b"), memoryview(b"m"), Point(), Point,
    decimal.Decimal(1), complex(1), object(), print, Ellipsis, Text("secret"), Whole(7), Colour.RED,
    Level.LOW, Pair(1, 2), OrderedDict(a=1), MappingProxyType({}), orjson.Fragment(b"{}"),
    iter([]), range(3), {}.keys(), float, NotImplemented,
]  # fmt: skip


@pytest.mark.parametrize("odd", NOT_JSON, ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize("beside", [[], [None], [2**80]], ids=["plain", "null", "wide"])
def test_other_types_are_refused_with_their_place(odd: object, beside: list[object]) -> None:
    with pytest.raises(InvalidInput, match="not a JSON type") as caught:
        encode_json({"beside": beside, "a": [1, "two", {"b": odd}]})
    assert "$.a[2].b is of the Python type" in caught.value.message
    assert caught.value.code == "not_json"
    assert caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint
    with pytest.raises(InvalidInput, match=r"value at \$ is"):
        encode_json(odd)


@pytest.mark.parametrize("number", [math.nan, -math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("filler", [-1, 0.5, "\x7f", 2**31 - 1])
def test_a_number_that_json_cannot_hold_is_found_among_many_that_look_like_it(
    filler: object, number: float
) -> None:
    many = [None, *[filler] * 300]
    assert decode_json(encode_json(many)) == many
    with pytest.raises(InvalidInput, match="NaN or infinite"):
        encode_json([*many, number])


@pytest.mark.parametrize("number", [math.nan, -math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("times", [1, 2])
def test_numbers_that_json_cannot_hold_are_refused(number: float, times: int) -> None:
    shared = [number] * times
    for value in (number, [None, number], {"a": shared, "b": shared}, [2**80, number]):
        with pytest.raises(InvalidInput, match="NaN or infinite") as caught:
            encode_json(value)
        assert caught.value.code == "not_finite"


@given(NARROW, st.sampled_from([math.nan, math.inf, -math.inf]))
def test_nan_is_found_among_any_data(value: object, number: float) -> None:
    with pytest.raises(InvalidInput, match=r"\$\[1\]\.n\[0\]"):
        encode_json([value, {"n": [number]}])


@pytest.mark.parametrize("key", [1, None, True, 1.5, (1, 2), b"k", Text("secret"), Colour.RED])
@pytest.mark.parametrize("beside", [1, 2**80], ids=["plain", "wide"])
def test_keys_must_be_text(key: object, beside: int) -> None:
    with pytest.raises(InvalidInput, match=r"a key of the object at \$\.a\[0\] is") as caught:
        encode_json({"beside": beside, "a": [{key: 1}]})
    assert caught.value.code == "not_json"
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("beside", [1, 2**80], ids=["plain", "wide"])
def test_half_a_surrogate_pair_is_refused_in_text_and_keys(beside: int) -> None:
    with pytest.raises(InvalidInput, match=r"the text at \$\[1\]\[0\]") as in_text:
        encode_json([beside, ["a\ud800b"]])
    with pytest.raises(InvalidInput, match=r"a key of the object at \$\[1\]") as in_key:
        encode_json([beside, {"\udc00": 1}])
    assert in_text.value.code == in_key.value.code == "not_unicode"


@pytest.mark.parametrize("sign", [1, -1])
def test_integers_beyond_the_digits_that_python_reads_are_refused(sign: int) -> None:
    for value in (sign * 10**4000, sign * 10**100_000):
        with pytest.raises(LimitExceeded, match=r"\$\.n has more than 4,000 digits") as caught:
            encode_json({"n": value})
        assert caught.value.code == "integer_too_wide"


@pytest.mark.parametrize("inner", ["x", 2**80], ids=["plain", "wide"])
@pytest.mark.parametrize("limit", [1, 2, 128, 199, DEPTH_MAX])
def test_nesting_is_refused_from_one_level_above_the_limit(limit: int, inner: object) -> None:
    assert decode_json(encode_json(nested(limit, inner), max_depth=limit)) == nested(limit, inner)
    with pytest.raises(LimitExceeded, match=f"more than {limit} levels") as caught:
        encode_json(nested(limit + 1, inner), max_depth=limit)
    assert caught.value.code == "too_deep"


def test_no_limit_on_nesting_goes_beyond_the_ceiling() -> None:
    with pytest.raises(LimitExceeded, match="more than 200 levels"):
        encode_json(nested(201), max_depth=10_000)


def test_a_limit_of_zero_allows_scalars_only() -> None:
    assert encode_json("x", max_depth=0) == b'"x"'
    with pytest.raises(LimitExceeded, match=r"more than 0 levels deep at \$$"):
        encode_json([], max_depth=0)


def test_very_deep_and_endless_values_are_refused_like_others() -> None:
    endless: list[object] = []
    endless.append(endless)
    for value in (nested(100_000), endless, [2**80, endless]):
        with pytest.raises(LimitExceeded, match="more than 128 levels"):
            encode_json(value)


def test_the_first_of_several_faults_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"\$\.b\[1\]"):
        encode_json({"a": ["fine"], "b": [1, {2}], "c": math.nan})


def test_a_place_is_shown_as_a_json_path_and_kept_short() -> None:
    with pytest.raises(InvalidInput) as caught:
        encode_json({"a b": [{'"quoted"': {"\n": {"k" * 500: {1}}}}]})
    assert '$["a b"][0]["\\"quoted\\""]["\\n"]["kkkk' in caught.value.message
    assert len(caught.value.message) < 250
    with pytest.raises(InvalidInput) as deep:
        encode_json(nested(100, {1}))
    assert "[0].k[0].k[0].k … " in deep.value.message
    assert len(deep.value.message) < 250


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ", b"{", b"[1,]", b"{'a':1}", b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b"nul",
        b"1e400", b'"\\ud800"', b'"\xff"', b"\xef\xbb\xbf1", b"01", b"+1", b"1 2", b'"a\nb"',
        b"[" * 5000, b"1" * 5000, "[1]".encode("utf-16"), b"\x00",
    ],
)  # fmt: skip
def test_what_is_not_json_text_is_a_value_error(text: bytes) -> None:
    for data in (text, b"[12345678901234567890," + text + b"]"):
        with pytest.raises(ValueError):  # noqa: PT011 - each parser words it differently
            decode_json(data)


@given(JSONS | st.integers(0, 150).map(nested))
def test_the_depth_of_a_text_is_the_depth_of_its_value(value: object) -> None:
    def depth(value: object) -> int:
        if not isinstance(value, list | dict):
            return 0
        items = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, items), default=0)

    assert depth_of_text(encode_json(value, max_depth=DEPTH_MAX)) == depth(value)
    assert depth_of_text(json.dumps(value, indent=2).encode()) == depth(value)


@given(st.text(st.sampled_from('[]{}",\\a:1 '), max_size=40))
def test_the_depth_of_what_is_not_json_is_never_too_low(text: str) -> None:
    reached = level = 0
    inside = escaped = False
    for char in text:
        if inside:
            inside, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == '"':
            inside = True
        elif char in "[{":
            level += 1
            reached = max(reached, level)
        elif char in "]}":
            level -= 1
            if level < 0:
                break
        elif char == "\\":
            break
    assert depth_of_text(text.encode()) >= reached


def test_the_depth_of_huge_nesting_needs_no_recursion() -> None:
    assert depth_of_text(b"[" * 1_000_000) == 1_000_000
    assert depth_of_text(b"[" * 1_000_000 + b"]" * 1_000_000) == 1_000_000
    assert depth_of_text(b'{"a":[' * 100_000) == 200_000
    assert depth_of_text(b'"' + b"[" * 1000 + b'"') == 0
