"""compare_json: paths that say what changed, in little, and in little time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safepoint.compare import compare_json
from safepoint.compare.values import MISSING
from safepoint.format.jsontext import decode_json, encode_json
from safepoint.model import Changes

BIG = 12345678901234567890123


def told(old: Any, new: Any, **options: int) -> list[tuple[str, str]]:
    return [(item.kind.value, item.path) for item in compare_json(old, new, **options).items]


def test_members_added_removed_and_changed_have_pointers() -> None:
    old = {"a": 1, "b": {"x": 1, "y": [1]}, "gone": None}
    new = {"a": 2, "b": {"x": 1, "y": [1, 2]}, "put": None}
    changes = compare_json(old, new)
    assert [(c.kind.value, c.path, c.old, c.new) for c in changes.items] == [
        ("changed", "/a", "1", "2"),
        ("added", "/b/y/1", None, "2"),
        ("added", "/put", None, "null"),
        ("removed", "/gone", "null", None),
    ]
    assert (changes.added, changes.removed, changes.changed, changes.moved) == (2, 1, 1, 0)


def test_pointers_escape_what_rfc_6901_says() -> None:
    assert told({}, {"a/b~c": 1, "": 2}) == [("added", "/a~1b~0c"), ("added", "/")]


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (1, 1.0), (0, False), ("1", 1), (None, False), ([], {}), (BIG, 1)]
)
def test_values_of_other_types_differ_even_where_python_calls_them_equal(
    old: Any, new: Any
) -> None:
    assert told({"v": old}, {"v": new}) == [("changed", "/v")]
    assert told([old], [new]) == [("changed", "/0")]


def test_the_order_of_keys_is_no_change() -> None:
    assert told({"l": [{"a": 1, "b": BIG}]}, {"l": [{"b": BIG, "a": 1}]}) == []


def test_no_state_before_or_after_is_added_or_removed() -> None:
    assert told(MISSING, {"a": 1}) == [("added", "")]
    assert told({"a": 1}, MISSING) == [("removed", "")]
    assert told(MISSING, MISSING) == []


def test_an_item_put_in_shows_as_just_that() -> None:
    old = [{"n": n} for n in range(1000)]
    assert told(old, [*old[:10], {"n": -1}, *old[10:]]) == [("added", "/10")]
    assert told(old, [*old[:10], *old[11:]]) == [("removed", "/10")]
    assert told(old, [{"n": -1}, *old, {"n": -2}]) == [("added", "/0"), ("added", "/1001")]


def test_an_item_moved_shows_from_where() -> None:
    old = [{"n": n} for n in range(100)]
    new = [*old[:5], *old[6:50], old[5], *old[50:]]
    (change,) = compare_json(old, new).items
    assert (change.kind.value, change.path, change.from_path) == ("moved", "/49", "/5")


def test_an_item_that_stands_twice_now_was_not_moved_twice() -> None:
    old, new = ["x", "a", "b", "c"], ["a", "x", "b", "x", "c"]
    assert "moved" not in {kind for kind, _ in told(old, new)}


def test_an_item_changed_inside_shows_the_member_and_where_it_was() -> None:
    old = [{"role": "user", "text": f"t{n}"} for n in range(20)]
    new = [{"role": "system", "text": "s"}, *old]
    new[8] = {**new[8], "text": "corrected"}
    changes = compare_json(old, new).items
    assert [(c.kind.value, c.path, c.from_path) for c in changes] == [
        ("added", "/0", None),
        ("changed", "/8/text", "/7/text"),
    ]


def test_items_that_name_themselves_are_compared_with_their_like() -> None:
    old = [{"id": 1, "v": 1}, {"id": 2, "v": 2}, {"id": 3, "v": 3}]
    new = [{"id": 3, "v": 30}, {"id": 1, "v": 10}]
    changes = compare_json(old, new).items
    assert [(c.kind.value, c.path, c.old, c.new) for c in changes] == [
        ("changed", "/0/v", "3", "30"),
        ("changed", "/1/v", "1", "10"),
        ("removed", "/1", '{"id":2,"v":2}', None),
    ]


def test_values_are_cut_and_long_texts_shown_where_they_differ() -> None:
    old, new = "a" * 5000 + "old" + "z" * 5000, "a" * 5000 + "new" + "z" * 5000
    (change,) = compare_json({"t": old}, {"t": new}, value_chars=100).items
    assert change.old is not None
    assert change.new is not None
    assert "old" in change.old
    assert "new" in change.new
    assert "4960 characters" in change.new
    assert max(len(change.old), len(change.new)) <= 100
    (added,) = compare_json({}, {"l": list(range(10_000))}, value_chars=100).items
    assert added.new is not None
    assert (len(added.new), added.new[-1]) == (100, "…")


def test_what_is_not_listed_is_counted() -> None:
    changes = compare_json({}, {str(n): n for n in range(1000)}, limit=7)
    assert (len(changes.items), changes.added, changes.omitted) == (7, 1000, 993)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([0, 1] * 100_000, [1, 0] * 100_000),
        (list(range(200_000)), list(range(200_000))[::-1]),
        ([[n] for n in range(100_000)], [[n + 1] for n in range(100_000)]),
        ([0] * 200_000, [0] * 100_000 + [1] + [0] * 99_999),
    ],
    ids=["alternating", "reversed", "shifted", "one-of-many-alike"],
)
def test_long_lists_of_any_kind_take_linear_work(old: Any, new: Any) -> None:
    assert 0 < compare_json(old, new).total <= len(old) + len(new)


def test_beyond_the_work_allowed_a_list_is_shown_as_changed_whole() -> None:
    old = {"a": [[n] for n in range(100)], "b": [1], "c": [2]}
    new = {"a": [[n, n] for n in range(100)], "b": [3], "c": [2]}
    changes = compare_json(old, new, work=50, limit=200)
    assert changes.incomplete
    assert changes.items[-1].path == "/b"
    assert not compare_json(old, new).incomplete


def test_deep_nesting_is_followed() -> None:
    old: Any = 1
    new: Any = 2
    for _ in range(64):
        old, new = {"d": [old]}, {"d": [new]}
    assert told(old, new) == [("changed", "/d/0" * 64)]


SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "x"]) | st.just(BIG)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["a", "b", "id"]), inner, max_size=3)
    ),
    max_leaves=15,
)


@given(VALUES)
def test_equal_values_have_no_changes(value: Any) -> None:
    assert compare_json(value, decode_json(encode_json(value))).total == 0


@given(VALUES, VALUES)
def test_different_values_have_some_and_the_paths_exist(old: Any, new: Any) -> None:
    changes = compare_json(old, new)
    same = encode_json(old) == encode_json(new)
    assert changes.total == 0 or not same
    for change in changes.items:
        if change.kind != "added":
            at(old, change.path if change.from_path is None else change.from_path)
        if change.kind != "removed":
            at(new, change.path)


@given(VALUES, VALUES)
def test_there_are_changes_one_way_exactly_when_there_are_the_other_way(old: Any, new: Any) -> None:
    there: Changes = compare_json(old, new)
    assert bool(there.total) == bool(compare_json(new, old).total)


def at(value: Any, path: str) -> Any:
    for part in path.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value
