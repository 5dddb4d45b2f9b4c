"""JSON with comments edited in place: the rest stays byte for byte, whatever it is."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint_server.setup.errors import NotEditable
from safepoint_server.setup.jsonc import JsonText

ENTRY = {"command": "/opt/safe point/bin/safepoint", "args": ["serve", "ä"], "env": {"A": "b"}}

gaps = st.lists(
    st.sampled_from([" ", "  ", "\t", "\n", "\r\n", "\n    ", '// note: {[",\n', '/* },] " \n */']),
    max_size=3,
).map("".join)
keys = st.sampled_from(["a", "servers", "safepoint", "ä", 'quo"te', "line\nend", "", "//", "hooks"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)


@st.composite
def documents(draw: st.DrawFn, depth: int = 3) -> tuple[str, Any]:
    """Text and value of any JSON, with comments, trailing commas and odd white space."""
    kind = draw(st.sampled_from(["scalar", "object", "array"])) if depth < 3 else "object"
    if kind == "scalar" or depth == 0:
        value = draw(scalars)
        return json.dumps(value, ensure_ascii=draw(st.booleans())), value
    names = draw(st.lists(keys, max_size=3, unique=True))
    inner = [draw(documents(depth - 1)) for _ in names]
    shown = [text for text, _ in inner]
    if kind == "object":
        shown = [
            json.dumps(name) + draw(gaps) + ":" + draw(gaps) + text
            for name, text in zip(names, shown, strict=True)
        ]
    text = ",".join(draw(gaps) + one + draw(gaps) for one in shown)
    if shown and draw(st.booleans()):
        text += ","
    text += draw(gaps)
    values = [value for _, value in inner]
    if kind == "array":
        return f"[{text}]", values
    return f"{{{text}}}", dict(zip(names, values, strict=True))


@given(documents(), gaps, gaps)
def test_any_document_is_read_as_it_is_meant(
    document: tuple[str, Any], before: str, after: str
) -> None:
    text, value = document
    read = JsonText(before + text + after)
    assert read.value == value
    assert read.text == before + text + after


@given(documents(), st.lists(keys, min_size=1, max_size=3))
def test_what_is_put_in_is_there_and_taking_it_out_restores_every_byte(
    document: tuple[str, Any], place: list[str]
) -> None:
    text, value = document
    before = JsonText(text)
    expected = copy.deepcopy(value)
    holder: Any = expected
    emptied = False
    for key in place[:-1]:
        holder = holder.setdefault(key, {})
        if not isinstance(holder, dict):
            with pytest.raises(NotEditable):
                before.set(place, ENTRY)
            return
        emptied = emptied or holder == {}
    there = place[-1] in holder
    holder[place[-1]] = ENTRY
    after = before.set(place, ENTRY)
    assert after.value == expected
    assert after.set(place, ENTRY) is after
    assert after.get(place) == ENTRY
    without = after.remove(place)
    assert without.get(place) is None
    if not there and value and not emptied:
        assert without.text == text


@given(documents(), st.data())
def test_taking_out_any_one_thing_leaves_all_others(
    document: tuple[str, Any], data: st.DataObject
) -> None:
    text, value = document
    place: list[str | int] = []
    holder = value
    while isinstance(holder, dict | list) and holder and (not place or data.draw(st.booleans())):
        options = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = data.draw(st.sampled_from(list(options)))
        place.append(key)
        holder = holder[key]
    if not place:
        return
    expected = copy.deepcopy(value)
    _take_out(expected, place)
    made = JsonText(text).remove(place).value
    for length in range(len(place) - 1, 0, -1):  # a holder with a comment in it may stay, empty
        for one in (expected, made):
            if _at(one, place[:length]) in ({}, []):
                _take_out(one, place[:length])
    assert made == expected


def _take_out(value: Any, place: list[str | int]) -> None:
    del _at(value, place[:-1])[place[-1]]


def _at(value: Any, place: list[str | int]) -> Any:
    for key in place:
        try:
            value = value[key]
        except (KeyError, IndexError):
            return None
    return value


@given(documents())
def test_members_that_stay_are_not_touched_when_an_object_is_put(
    document: tuple[str, Any],
) -> None:
    text, value = document
    after = JsonText(text).put([], {**value, "new": 1})
    assert after.value == {**value, "new": 1}
    if value and "new" not in value:
        assert after.put([], value).text == text


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", '{\n  "a": 1\n}\n'),
        ("  \n", '{\n  "a": 1\n}\n'),
        ("// mine", '// mine\n{\n  "a": 1\n}\n'),
        ("{}", '{\n  "a": 1\n}'),
        ('{"b":2}', '{"b":2,"a":1}'),
        ('{"b": 2}', '{"b": 2, "a": 1}'),
        ('{\n\t"b": 2 // two\n}\n', '{\n\t"b": 2, // two\n\t"a": 1\n}\n'),
        ('{\r\n  "b": 2,\r\n}\r\n', '{\r\n  "b": 2,\r\n  "a": 1,\r\n}\r\n'),
        ('\ufeff{\n    "b": 2\n}', '\ufeff{\n    "b": 2,\n    "a": 1\n}'),
        ("{\n  // none yet\n}", '{\n  // none yet\n  "a": 1\n}'),
    ],
)
def test_what_is_added_looks_like_what_is_there(text: str, after: str) -> None:
    assert JsonText(text).set(["a"], 1).text.lstrip(" \n") == after


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a" 1}', "line 1, column 6: a colon is missing"),
        ('{"a": 1 "b": 2}', "line 1, column 9: a comma or '}' is missing"),
        ('{"a": 1', "line 1, column 8: a comma or '}' is missing"),
        ('{"a": }', "line 1, column 7: '}' stands where a value belongs"),
        ("{a: 1}", "line 1, column 2: a key in double quotes is missing"),
        ('{"a": NaN}', "line 1, column 7: 'NaN' is not JSON"),
        ('{"a": 01}', "line 1, column 7: '01' is not JSON"),
        ('{"a": "x\n"}', "line 1, column 7: this is not JSON"),
        ("{} {}", "line 1, column 4: something stands behind the end"),
        ("{} /* open", "line 1, column 4: this is not JSON"),
        ('{\n"a": [1,,2]}', "line 2, column 9: ',' stands where a value belongs"),
        ("[" * 300, "nested deeper than 200"),
        ("<<<<<<< HEAD\n{}", "'<<<<<<<' is not JSON"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(NotEditable) as caught:
        JsonText(text)
    assert why in str(caught.value)


def test_a_key_that_is_there_twice_is_not_guessed_at() -> None:
    with pytest.raises(NotEditable, match="servers is there twice"):
        JsonText('{"servers": {}, "servers": {"a": 1}}').set(["servers", "safepoint"], ENTRY)


def test_a_list_is_no_place_for_a_named_thing() -> None:
    for text in ('{"servers": []}', '{"servers": "x"}', "[]", "3"):
        with pytest.raises(NotEditable, match="is not an object"):
            JsonText(text).set(["servers", "safepoint"], ENTRY)
