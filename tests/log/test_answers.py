"""Answer schemas that a person can be shown, and answers that fit them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.elicitation import _PRIMITIVE_SCHEMA_ADAPTER

from safepoint import InvalidInput
from safepoint.log.answers import check_answer, check_schema


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    "one",
    [
        {},
        {"title": "T", "description": "D", "default": "x"},
        {"minLength": 1, "maxLength": 3},
        {"format": "email"},
        {"enum": ["a", "b"], "enumNames": ["A", "B"], "default": "b"},
        {"type": "number", "minimum": -1.5, "maximum": 2, "default": 0},
        {"type": "integer", "minimum": 1, "maximum": 1},
        {"type": "boolean", "default": False},
    ],
    ids=str,
)
def test_what_a_dialog_can_show_is_accepted(one: dict[str, Any]) -> None:
    whole = schema(field={**TEXT, **one})
    check_schema(whole)
    check_schema({**whole, "required": ["field"], "additionalProperties": False, "title": "x"})
    _PRIMITIVE_SCHEMA_ADAPTER.validate_python(whole["properties"]["field"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (None, "not an object"),
        ([], "not an object"),
        ({"type": "string"}, '"object"'),
        ({"type": "object"}, "1 to 50 properties"),
        (schema(), "1 to 50 properties"),
        (schema(**{f"p{n}": TEXT for n in range(51)}), "1 to 50 properties"),
        ({**schema(a=TEXT), "additionalProperties": True}, "additionalProperties"),
        ({**schema(a=TEXT), "oneOf": []}, "'oneOf'"),
        ({**schema(a=TEXT), "required": ["b"]}, "required"),
        ({**schema(a=TEXT), "required": "a"}, "required"),
        ({**schema(a=TEXT), "title": 1}, "title of the schema"),
        (schema(**{"": TEXT}), "name"),
        (schema(a="string"), "property 'a' is not an object"),
        (schema(a={"type": "object", "properties": {}}), "type of property 'a'"),
        (schema(a={"type": "array", "items": TEXT}), "type of property 'a'"),
        (schema(a={"type": ["string", "null"]}), "type of property 'a'"),
        (schema(a={}), "type of property 'a'"),
        (schema(a={**TEXT, "pattern": ".*"}), "'pattern'"),
        (schema(a={**TEXT, "minimum": 1}), "'minimum'"),
        (schema(a={**TEXT, "format": "ipv4"}), "format of property 'a'"),
        (schema(a={**TEXT, "minLength": -1}), "minLength"),
        (schema(a={**TEXT, "minLength": 2, "maxLength": 1}), "in order"),
        (schema(a={**TEXT, "enum": []}), "enum"),
        (schema(a={**TEXT, "enum": ["a", "a"]}), "different"),
        (schema(a={**TEXT, "enum": [1]}), "texts"),
        (schema(a={**TEXT, "enum": ["a"], "enumNames": []}), "enumNames"),
        (schema(a={**TEXT, "enumNames": ["a"]}), "enumNames"),
        (schema(a={**TEXT, "default": 1}), "default of property 'a' is not text"),
        (schema(a={"type": "integer", "minimum": "1"}), "not numbers"),
        (schema(a={"type": "integer", "minimum": 2, "maximum": 1}), "in order"),
        (schema(a={"type": "integer", "default": 0.5}), "whole number"),
    ],
)
def test_what_no_dialog_can_show_is_refused_and_told_why(wrong: Any, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_schema(wrong)
    assert caught.value.code == "bad_schema"
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("one", "fitting", "unfit"),
    [
        (TEXT, ["", "ä"], [1, None, True, ["a"]]),
        ({**TEXT, "minLength": 2, "maxLength": 3}, ["ab", "abc"], ["a", "abcd"]),
        ({**TEXT, "enum": ["a", "b"]}, ["a"], ["c", "A", ""]),
        (
            {**TEXT, "format": "email"},
            ["a@b", "a.b+c@example.org"],
            ["a", "@b", "a@", "a b@c", "a@b@c", "a@.b", "a@b."],
        ),
        (
            {**TEXT, "format": "uri"},
            ["https://example.org/x?y", "urn:isbn:1", "mailto:a@b"],
            ["example.org", "", "https://a b", "http://[", "//x"],
        ),
        (
            {**TEXT, "format": "date"},
            ["2026-02-28", "2028-02-29"],
            ["2026-02-29", "20260228", "2026-2-8", "2026-02-28T00:00:00Z"],
        ),
        (
            {**TEXT, "format": "date-time"},
            ["2026-02-28T23:59:59Z", "2026-02-28t01:02:03.123456789+05:30"],
            ["2026-02-28", "2026-02-28T23:59:59", "2026-02-28T25:00:00Z", "2026-02-30T00:00:00Z"],
        ),
        ({"type": "integer"}, [0, -5, 3.0, 10**30], [0.5, "1", True, None]),
        ({"type": "number"}, [0, 0.5, -1e300], ["1", False, float("nan"), float("inf")]),
        ({"type": "number", "minimum": 1, "maximum": 2}, [1, 1.5, 2], [0.99, 2.01]),
        ({"type": "boolean"}, [True, False], [0, 1, "true", None]),
    ],
    ids=str,
)
def test_answers_are_held_to_type_bounds_and_format(
    one: dict[str, Any], fitting: list[Any], unfit: list[Any]
) -> None:
    asked = schema(field=one)
    for value in fitting:
        check_answer(asked, {"field": value})
    for value in unfit:
        with pytest.raises(InvalidInput, match="'field'") as caught:
            check_answer(asked, {"field": value})
        assert caught.value.code == "bad_answer"


@pytest.mark.parametrize("answer", [None, [], "x", 1, ["field"]])
def test_an_answer_is_an_object(answer: Any) -> None:
    with pytest.raises(InvalidInput, match="not an object"):
        check_answer(schema(field=TEXT), answer)


def test_every_wrong_property_is_named() -> None:
    asked = {**schema(a=TEXT, b=TEXT, c={"type": "integer"}), "required": ["a", "b"]}
    with pytest.raises(InvalidInput) as caught:
        check_answer(asked, {"a": "x", "c": "x", "d": 1})
    for said in ("'b' is missing", "'c' is not a number", "'d' is not asked for"):
        assert said in caught.value.message
    check_answer(asked, {"a": "x", "b": "y"})


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
WORDS = st.sampled_from(
    ["type", "enum", "format", "minimum", "maxLength", "default", "title", "required", "items"]
)
VALUES = JSONS | st.sampled_from(["string", "integer", "object", "email", "date-time"])


@given(st.dictionaries(WORDS, VALUES), JSONS, JSONS)
def test_whatever_is_given_as_schema_or_answer_is_accepted_or_refused(
    one: dict[str, Any], default: Any, value: Any
) -> None:
    for asked in (one, schema(field=one), schema(field={**TEXT, **one, "default": default})):
        with contextlib.suppress(InvalidInput):
            check_schema(asked)
            check_answer(asked, {"field": value})
