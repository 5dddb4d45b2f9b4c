"""What a commit makes of a thread's document, without a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from tests.log.desk import Desk

from safepoint import Conflict, Unsupported
from safepoint.format.document import Document, decode, encode
from safepoint.format.entries import OriginEntry, RetentionEntry
from safepoint.integrations.langgraph.commands import AddWrites, Put, Together
from safepoint.integrations.langgraph.index import Held, Index, Line, index_of, lines_of
from safepoint.integrations.langgraph.packed import Blob, NewWrite


def put(id_: str, parent: str | None = None, *, ns: str = "", **given: Any) -> Put:
    values: Mapping[str, Blob] = given.pop("values", {"x": Blob("msgpack", id_.encode())})
    versions = given.pop("versions", dict.fromkeys(values, id_))
    return Put(ns, id_, parent, {"id": id_}, {"step": 1}, versions, values, **given)


def write(id_: str, task: str = "task", *, ns: str = "") -> AddWrites:
    return AddWrites(ns, id_, (NewWrite(task, "", 0, "x", Blob("msgpack", task.encode())),))


def held(index: Index) -> list[str]:
    return [one.id + ("?" if one.loose else "") for one in index.held]


def left(index: Index) -> list[tuple[str, int, bool]]:
    return [(line.id, line.version, line.loose) for line in lines_of(index.trail)]


def after(desk: Desk) -> Index:
    """The index as a later process reads it."""
    return index_of(decode(encode(desk.document)))


def test_a_put_takes_the_one_before_out_of_play() -> None:
    desk = Desk()
    for number in (1, 2, 3):
        desk(Together((put(str(number)), write(str(number)))))
    index = after(desk)
    assert held(index) == ["3"]
    assert left(index) == [("1", 1, False), ("2", 2, False)]
    assert len(desk.document.regions) == 3 + 2  # its value and its write


def test_writes_and_the_next_checkpoint_share_a_commit() -> None:
    desk = Desk()
    desk(Together((put("1"),)))
    desk(Together((write("1"), put("2", "1"))))
    index = after(desk)
    assert held(index) == ["1?", "2"]
    assert left(index) == [("1", 1, False)]
    desk(Together((put("3", "2"),)))
    assert held(after(desk)) == ["3"]
    assert left(after(desk)) == [("1", 1, False), ("1", 2, True), ("2", 2, False)]


def test_two_checkpoints_in_a_commit_are_both_in_play_for_a_while() -> None:
    desk = Desk()
    desk(Together((put("1"), put("2", "1"))))
    assert held(after(desk)) == ["1", "2"]
    desk(Together((put("3", "2"),)))
    assert held(after(desk)) == ["3"]
    assert left(after(desk)) == [("1", 1, False), ("2", 1, False)]


def test_a_refusal_is_for_one_call_of_a_commit_alone() -> None:
    desk = Desk()
    desk(Together((put("1"), put("2", "1"))))
    replies = desk(Together((put("3", "1", newest=True), write("2"), put("4", "2", newest=True))))
    assert isinstance(replies[0], Conflict)
    assert replies[1:] == (None, True)
    assert "3" not in held(after(desk))


def test_what_changes_nothing_is_no_commit() -> None:
    desk = Desk()
    desk(Together((put("1"), write("1"))))
    desk(Together((write("1"),)))
    assert not desk.changed
    kept = put("2", "1", values={}, versions={"x": "0"}, kept=frozenset({"x"}))
    assert desk(Together((kept,))) == (False,)  # the parent has another version
    assert not desk.changed


def test_a_fork_has_what_is_in_play_and_nothing_before() -> None:
    desk = Desk()
    for number in range(1, 5):
        desk(Together((put(str(number)), put("c", ns=f"child:{number}"))))
    origin = OriginEntry("work", desk.document.version, 1, desk.now_ms)
    desk.document = replace(desk.document, version=1, origin=origin)
    index = after(desk)
    assert held(index) == ["4", "c"]
    assert (index.trail, index.pages, index.spaces) == (b"", (), b"")
    desk(Together((put("5", "4"),)))
    desk(Together((put("6", "5"),)))
    assert left(after(desk)) == [("4", 1, False), ("c", 1, False), ("5", 2, False)]


def test_a_thread_keeps_all_its_versions_unless_told_otherwise() -> None:
    desk = Desk()
    desk(Together((put("1"),)))
    assert desk.document.retention == RetentionEntry()
    desk.document = replace(desk.document, retention=None)  # a person leaves it to the store
    desk(Together((put("2", "1"),)))
    assert desk.document.retention is None
    fewer = RetentionEntry(keep_last=5)
    desk = Desk(Document(version=1, retention=fewer))
    desk(Together((put("1"),)))
    assert desk.document.retention == fewer


def test_a_newer_format_is_not_guessed_at() -> None:
    desk = Desk()
    desk(Together((put("1"),)))
    regions = dict(desk.document.regions)
    index = orjson.loads(regions["langgraph/index"])
    regions["langgraph/index"] = orjson.dumps({**index, "format": 2})
    desk.document = replace(desk.document, regions=regions)
    with pytest.raises(Unsupported, match="does not know") as refused:
        desk(Together((put("2"),)))
    assert refused.value.code == "unknown_format"


def test_entries_are_read_as_they_were_written() -> None:
    one = Held("ns", "id", "parent", {"v": 4}, {"step": 1}, hidden=True)
    assert Held.read(orjson.loads(orjson.dumps(one.stored()))) == one
    line = Line.of(one, 7)
    assert Line(*orjson.loads(orjson.dumps(line.stored()))) == line
