"""Merge patches do what RFC 7396 says, and leave what they are given alone."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint.log.patch import merge_patch

KEYS = st.sampled_from(["a", "b", "c", ""])
JSONS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=20,
)


def by_the_rfc(target: Any, patch: Any) -> Any:
    """The pseudo-code of RFC 7396, section 2, word by word."""
    if isinstance(patch, dict):
        if not isinstance(target, dict):
            target = {}
        for name, value in patch.items():
            if value is None:
                if name in target:
                    del target[name]
            else:
                target[name] = by_the_rfc(target.get(name), value)
        return target
    return patch


@pytest.mark.parametrize(
    ("original", "patch", "result"),
    [
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
        ('["a","b"]', '["c","d"]', '["c","d"]'),
        ('{"a":"b"}', '["c"]', '["c"]'),
        ('{"a":"foo"}', "null", "null"),
        ('{"a":"foo"}', '"bar"', '"bar"'),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
    ],
)
def test_the_examples_of_appendix_a_hold(original: str, patch: str, result: str) -> None:
    merged = merge_patch(json.loads(original), json.loads(patch))
    assert json.dumps(merged, separators=(",", ":")) == result


def test_the_example_of_section_3_holds() -> None:
    document: Any = {
        "title": "Goodbye!",
        "author": {"givenName": "John", "familyName": "Doe"},
        "tags": ["example", "sample"],
        "content": "This will be unchanged",
    }
    patch: Any = {
        "title": "Hello!",
        "phoneNumber": "+01-123-456-7890",
        "author": {"familyName": None},
        "tags": ["example"],
    }
    assert merge_patch(document, patch) == {
        "title": "Hello!",
        "author": {"givenName": "John"},
        "tags": ["example"],
        "content": "This will be unchanged",
        "phoneNumber": "+01-123-456-7890",
    }


@given(JSONS, JSONS)
def test_any_patch_does_what_the_rfc_says_and_changes_neither_argument(
    target: Any, patch: Any
) -> None:
    before = copy.deepcopy((target, patch))
    merged = merge_patch(target, patch)
    assert (target, patch) == before
    assert merged == by_the_rfc(copy.deepcopy(target), copy.deepcopy(patch))


@given(JSONS, JSONS)
def test_a_patch_applied_twice_does_no_more_than_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(st.dictionaries(KEYS, JSONS))
def test_an_empty_patch_changes_nothing(target: Any) -> None:
    assert merge_patch(target, {}) == target


def test_what_the_patch_does_not_touch_is_shared_not_copied() -> None:
    target: Any = {"big": {"x": [1]}, "small": {"y": 1, "z": {"deep": []}}}
    merged: Any = merge_patch(target, {"small": {"y": 2}})
    assert merged["big"] is target["big"]
    assert merged["small"]["z"] is target["small"]["z"]
    assert target["small"]["y"] == 1


def test_kept_keys_keep_their_place_and_new_ones_come_last() -> None:
    target: Any = {"c": 1, "b": {"x": 1}, "a": 1}
    merged: Any = merge_patch(target, {"d": 1, "a": 2, "b": {"x": 2}})
    assert list(merged) == ["c", "b", "a", "d"]


def test_a_very_deep_patch_is_applied_without_recursion() -> None:
    patch: Any = 1
    for _ in range(100_000):
        patch = {"a": patch}
    merged: Any = merge_patch({}, patch)
    for _ in range(100_000):
        merged = merged["a"]
    assert merged == 1
