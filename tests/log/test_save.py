"""save_checkpoint: whole or patched, once per request id, only on the version expected."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from tests.log.desk import Desk

from safepoint.errors import Conflict, InvalidInput, LimitExceeded
from safepoint.format.jsontext import encode_json
from safepoint.log.transitions import Save, StateChange
from safepoint.model import JSON, Actor, Limits

STATE = StateChange(b'{"page":3,"seen":[1,2]}')


def patched(patch: JSON) -> Save:
    return Save(StateChange(patch=encode_json(patch)))


def test_a_save_makes_a_checkpoint_of_the_state() -> None:
    desk = Desk()
    reply = desk(Save(STATE, "draft", "three pages", "fetch page 4", "milestone", "fetch"))
    entry = reply.entry
    assert not reply.repeated
    assert (entry.version, entry.run, entry.at_ms) == (1, 1, desk.now_ms)
    assert (entry.kind, entry.label, entry.step) == ("milestone", "draft", "fetch")
    assert (entry.size, entry.actor) == (len(STATE.whole or b""), Actor("ann"))
    assert entry.sha256 == hashlib.sha256(STATE.whole or b"").hexdigest()
    assert desk.document.latest == entry
    assert desk.document.checkpoints == (entry,)
    assert desk.document.state == STATE.whole


def test_the_event_tells_what_was_saved_but_nothing_of_the_state() -> None:
    desk = Desk()
    desk(Save(STATE, label="draft", summary="secret", kind="milestone"))
    assert desk.event is not None
    assert {"kind": "save", "label": "draft", "as": "milestone", "state_bytes": 23}.items() <= (
        desk.event.items()
    )
    assert "secret" not in repr(desk.event)


def test_a_save_without_state_is_a_checkpoint_of_the_unchanged_one() -> None:
    desk = Desk()
    desk(Save(STATE))
    entry = desk(Save(StateChange(), label="here")).entry
    assert (entry.version, entry.size) == (2, 23)
    assert desk.document.state == STATE.whole


def test_a_save_without_any_state_yet_is_an_empty_checkpoint() -> None:
    entry = Desk()(Save(StateChange(), summary="begun")).entry
    assert (entry.size, entry.sha256) == (0, "")


@pytest.mark.parametrize(
    ("patch", "after"),
    [
        ({"page": 4}, b'{"page":4,"seen":[1,2]}'),
        ({"seen": None}, b'{"page":3}'),
        ({"more": {"a": None, "b": 1}}, b'{"page":3,"seen":[1,2],"more":{"b":1}}'),
        ({}, b'{"page":3,"seen":[1,2]}'),
        ([1], b"[1]"),
        (None, b"null"),
    ],
)
def test_a_merge_patch_changes_only_what_it_names(patch: JSON, after: bytes) -> None:
    desk = Desk()
    desk(Save(STATE))
    desk(patched(patch))
    assert desk.document.state == after


def test_the_first_patch_of_all_begins_with_an_empty_object() -> None:
    desk = Desk()
    desk(patched({"a": 1, "b": None}))
    assert desk.document.state == b'{"a":1}'


@pytest.mark.parametrize("field", ["summary", "next_action"])
def test_a_text_stays_until_it_is_replaced_and_an_empty_one_clears_it(field: str) -> None:
    desk = Desk()
    desk(Save(STATE, **{field: "first"}))
    desk(Save(STATE))
    assert getattr(desk.document, field) == "first"
    desk(Save(STATE, **{field: "second"}))
    assert getattr(desk.document, field) == "second"
    desk(Save(STATE, **{field: ""}))
    assert getattr(desk.document, field) is None


@pytest.mark.parametrize("expected", [0, 2, 99])
def test_an_expected_version_that_is_not_the_newest_is_a_conflict(expected: int) -> None:
    desk = Desk()
    desk(Save(STATE))
    before = desk.document
    with pytest.raises(Conflict, match=f"version {expected} was expected.* at version 1") as caught:
        desk(Save(STATE, expected_version=expected))
    assert caught.value.code == "version_conflict"
    assert desk.document is before


def test_on_the_version_expected_it_is_saved() -> None:
    desk = Desk()
    desk(Save(STATE, expected_version=0))
    assert desk(Save(STATE, expected_version=1)).entry.version == 2


def test_a_repeated_request_answers_the_first_checkpoint_and_changes_nothing() -> None:
    desk = Desk()
    first = desk(Save(STATE, request_id="r1"))
    desk(Save(StateChange(b"null")))
    desk.turn_clock(hours=1)
    again = desk(Save(STATE, request_id="r1"))
    assert (again.entry, again.repeated) == (first.entry, True)
    assert not desk.changed


def test_a_repeat_is_told_also_when_it_expected_a_version_that_is_gone_by_now() -> None:
    desk = Desk()
    desk(Save(STATE, request_id="r1", expected_version=0))
    assert desk(Save(STATE, request_id="r1", expected_version=0)).repeated


@pytest.mark.parametrize(
    "other",
    [
        Save(StateChange(b"{}")),
        Save(StateChange(patch=b"{}")),
        Save(StateChange()),
        Save(STATE, label="draft"),
        Save(STATE, summary="s"),
        Save(STATE, next_action="n"),
        Save(STATE, kind="milestone"),
        Save(STATE, step="fetch"),
    ],
    ids=repr,
)
def test_a_request_id_used_for_another_save_is_refused(other: Save) -> None:
    desk = Desk()
    desk(Save(STATE, request_id="r1"))
    with pytest.raises(Conflict, match="nothing was saved") as caught:
        desk(replace(other, request_id="r1"))
    assert caught.value.code == "request_reused"


def test_the_last_256_requests_are_remembered() -> None:
    desk = Desk()
    for number in range(257):
        desk(Save(STATE, request_id=f"r{number}"))
    assert desk(Save(STATE, request_id="r1")).repeated
    assert not desk(Save(STATE, request_id="r0")).repeated


def test_the_index_begins_anew_with_each_block_and_the_latest_checkpoint_stays_known() -> None:
    desk = Desk()
    for _ in range(256):
        desk(Save(STATE))
    assert len(desk.document.checkpoints) == 256
    last = desk(Save(STATE)).entry
    assert desk.document.checkpoints == (last,)
    assert desk.document.latest == last


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "big"}, {"label": ""}, {"request_id": ""}, {"label": "\ud800"}, {"step": "\udfff"}],
    ids=str,
)
def test_what_cannot_be_a_save_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Desk()(Save(STATE, **wrong))


@pytest.mark.parametrize(
    ("large", "limit"),
    [
        ({"label": "x" * 201}, "200"),
        ({"request_id": "x" * 201}, "200"),
        ({"step": "x" * 201}, "200"),
        ({"summary": "é" * 2049}, "4,096"),
        ({"next_action": "x" * 4097}, "4,096"),
    ],
    ids=lambda given: str(given)[:15],
)
def test_a_text_over_its_limit_is_refused_with_the_limit(large: dict[str, str], limit: str) -> None:
    with pytest.raises(LimitExceeded, match=limit):
        Desk()(Save(STATE, **large))


def test_texts_exactly_at_their_limits_are_saved() -> None:
    desk = Desk()
    desk(Save(STATE, label="é" * 200, summary="x" * 4096, next_action="é" * 2048))
    assert desk.document.version == 1


@pytest.mark.parametrize(
    "change", [StateChange(b'"123456789"'), StateChange(patch=b'{"a":"1234"}')]
)
def test_a_state_over_its_limit_is_refused_whole_or_patched(change: StateChange) -> None:
    desk = Desk(limits=Limits(state_bytes=10))
    with pytest.raises(LimitExceeded, match="the limit is 10") as refused:
        desk(Save(change))
    assert "files of your own" in refused.value.hint
    desk(Save(StateChange(b'"12345678"')))


def test_a_patch_that_would_nest_the_state_too_deeply_is_refused() -> None:
    desk = Desk(limits=Limits(depth=2))
    desk(Save(StateChange(b'{"a":{}}')))
    with pytest.raises(LimitExceeded):
        desk(patched({"a": {"b": {}}}))
