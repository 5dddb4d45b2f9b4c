"""A note is bounded, holds no secrets and tells whether anything changed."""

from __future__ import annotations

from typing import Any

from safepoint_server.hooks.git import Change, Tree
from safepoint_server.hooks.note import clip, digest, merged_todos, note_of
from safepoint_server.hooks.transcript import Message, Todo, Transcript

TREE = Tree("main", "ab" * 20, (Change("M", "a.py"),))
FILES = [{"path": "a.py", "status": "M", "bytes": 1, "sha256": "cd" * 32}]
KEY = "ghp_" + "a1B2" * 9


def note(
    heard: Transcript | None = None, last: str = "", *, messages: bool = True, **more: Any
) -> dict[str, Any]:
    return note_of(more.get("tree", TREE), more.get("files", FILES), heard, last, messages=messages)


def test_every_text_is_clipped_and_without_secrets() -> None:
    heard = Transcript(
        (Message("user", f"use {KEY} " + "x" * 9000),),
        (Todo(f"rotate {KEY}", "pending", KEY),),
    )
    made = note(
        heard,
        f"token={KEY}",
        tree=Tree(f"fix-{KEY}", "ab" * 20, ()),
        files=[{"path": f"{KEY}.txt", "status": "M"}],
    )
    assert KEY not in str(made)
    assert len(made["messages"][0]["text"]) <= 1200
    assert made["messages"][0]["text"].startswith("use [redacted] xxx")


def test_a_secret_at_the_place_where_a_text_is_cut_does_not_stay_in_part() -> None:
    for before in range(780, 800):
        clipped = clip("y" * before + " " + KEY + " " + "z" * 5000, 1200)
        assert "a1B2" not in clipped
    for before in range(8150, 8200, 2):  # beyond what is searched, and beyond what is kept
        assert "a1B2" not in clip("y" * before + " " + KEY + " " + "z" * 50_000, 1200)


def test_the_last_message_that_the_client_sends_is_not_told_twice() -> None:
    heard = Transcript((Message("user", "Fix it"), Message("assistant", "Done")))
    assert [one["text"] for one in note(heard, "Done\n")["messages"]] == ["Fix it", "Done"]
    assert [one["text"] for one in note(heard, "More")["messages"]] == ["Fix it", "Done", "More"]


def test_without_messages_nothing_that_was_said_is_in_it() -> None:
    heard = Transcript((Message("user", "private"),), (Todo("public", "pending"),))
    made = note(heard, "private too", messages=False)
    assert "private" not in str(made)
    assert made["todos"] == [{"text": "public", "status": "pending"}]


def test_what_is_not_known_is_left_out_and_named() -> None:
    made = note(None, tree=Tree("main", None, None), files=None)
    assert made.keys() == {"branch", "head", "left_out"}
    assert made["left_out"] == ["files", "transcript"]
    assert note(Transcript())["left_out"] is None


def test_files_that_are_not_listed_are_counted() -> None:
    changed = tuple(Change("M", f"f{number}") for number in range(150))
    assert note(tree=Tree("main", None, changed))["files_more"] == "149"
    assert note(tree=Tree("main", None, changed, more=True))["files_more"] == "at least 149"
    assert note()["files_more"] is None


def test_only_what_happened_changes_the_digest() -> None:
    made = note(Transcript((Message("user", "Fix it"),)))
    same = {**made, "event": "stop", "why": "auto", "at": "now", "host": "b", "left_out": ["files"]}
    assert digest(made) == digest(same)
    assert digest(made) != digest({**made, "branch": "side"})
    assert digest(made) != digest({**made, "files": []})


def test_tasks_that_began_before_the_transcript_are_kept() -> None:
    earlier = [
        {"id": "1", "text": "read", "status": "pending"},
        {"id": "2", "text": "write", "status": "pending"},
        {"id": "3", "text": "ship", "status": "pending"},
    ]
    found = [
        {"id": "2", "text": "", "status": "completed"},
        {"id": "3", "text": "", "status": "deleted"},
        {"id": "4", "text": "rest", "status": "pending"},
    ]
    assert merged_todos(earlier, found) == [
        {"id": "1", "text": "read", "status": "pending"},
        {"id": "2", "text": "write", "status": "completed"},
        {"id": "4", "text": "rest", "status": "pending"},
    ]
    whole = [{"text": "new", "status": "pending"}]
    assert merged_todos(earlier, whole) == whole
    for broken in (None, "x", [1, {"text": "no id"}]):
        assert merged_todos(broken, found[2:]) == found[2:]
