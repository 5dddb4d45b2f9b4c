"""Outlines are small and true; select takes parts and never runs away."""

from __future__ import annotations

from typing import Any

import pytest

from safepoint import InvalidInput
from safepoint.format.jsontext import encode_json
from safepoint_server.view import OUTLINE_BYTES, examples, outline, select

CHAT = {"messages": [{"role": "user", "content": "x" * 1000} for _ in range(400)], "page": 3}


def test_an_outline_tells_keys_types_and_sizes() -> None:
    state = {"page": 3, "done": True, "note": "abc", "none": None, "rows": [1, 2], "empty": {}}
    assert outline(state) == {
        "page": "number",
        "done": "boolean",
        "note": "string of 3 characters",
        "none": "null",
        "rows": "array of 2 items, 5 bytes",
        "empty": "object of 0 keys, 2 bytes",
    }


def test_an_array_of_objects_shows_its_first_item() -> None:
    (text, (first,)) = next(iter(outline(CHAT)["messages"].items()))
    assert text.startswith("array of 400 items, ")
    assert first == {"role": "string of 4 characters", "content": "string of 1000 characters"}


@pytest.mark.parametrize(
    "state",
    [
        CHAT,
        {f"key{i}": {f"inner{j}": "x" * 50 for j in range(50)} for i in range(1000)},
        {"k" * 5000: 1, "ü" * 3000: {"ü" * 3000: 1}},
        [[[[[[1]]]]]] * 1000,
        ["x"] * 10_000,
        "x" * 100_000,
        12345,
        None,
        {},
        [],
    ],
)
def test_an_outline_is_small_for_any_state(state: Any) -> None:
    assert len(encode_json(outline(state))) <= OUTLINE_BYTES


@pytest.mark.parametrize(
    "state", [CHAT, {"a b": 1, "list": [1], 'quo"te': 2}, [1, 2, 3], {}, {"k" * 100: 1}, "text"]
)
def test_every_example_works_on_the_state_it_was_made_from(state: Any) -> None:
    for expression in examples(state):
        assert select(state, expression) is not None


def test_select_takes_a_part() -> None:
    assert select(CHAT, "messages[-2:].role") == ["user", "user"]
    assert select(CHAT, "nothing.here") is None


@pytest.mark.parametrize(
    "expression", ["messages[", "abs(@)", "nope(@)", "x" * 501, '`"a`', "", "[?", "sort(@)"]
)
def test_a_wrong_expression_is_told_with_examples_and_without_the_state(expression: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        select({"messages": ["SECRET"]}, expression)
    assert refused.value.code == "invalid_select"
    assert "SECRET" not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(
    "expression",
    [
        "|".join(["[@,@][]"] * 60),
        "|".join(["[@,@]"] * 80),
        "|".join(["join('', [@,@])"] * 30),
        "|".join(["{a:@,b:@}"] * 50),
    ],
)
def test_an_expression_that_doubles_its_result_is_stopped(expression: str) -> None:
    with pytest.raises(InvalidInput):
        select("x", expression, budget=100_000)
