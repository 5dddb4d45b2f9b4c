"""What transcripts tell: messages, to-dos and edited files, as each client writes them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hooks.client import assistant, tool, user

from safepoint_server.hooks.transcript import (
    TAIL_BYTES,
    Message,
    Todo,
    parse_lines,
    read_transcript,
)


def heard(*entries: Any):
    return parse_lines([json.dumps(entry).encode() for entry in entries])


def result(call: str, text: str, **more: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": call, "content": text}
    return {"type": "user", "message": {"role": "user", "content": [block]}, **more}


def test_claude_code_messages_todos_and_edits() -> None:
    todos = [
        {"content": "read", "status": "completed", "activeForm": "Reading"},
        {"content": "write", "status": "in_progress", "activeForm": "Writing"},
    ]
    told = heard(
        {"type": "summary", "summary": "old", "leafUuid": "x"},
        user("Fix the parser"),
        assistant({"type": "thinking", "thinking": "hm"}, "I read it."),
        assistant(tool("TodoWrite", todos=todos[:1]), tool("Write", file_path="/p/b.py")),
        assistant(tool("TodoWrite", todos=todos), tool("Edit", file_path="/p/a.py")),
        result("t1", "ok"),
        {"type": "system", "subtype": "compact_boundary", "content": "Conversation compacted"},
        {**user("This session is being continued"), "isCompactSummary": True},
        {**user("Caveat"), "isMeta": True},
        {**assistant("from a subagent"), "isSidechain": True},
        user("<command-name>/compact</command-name>"),
        user([{"type": "text", "text": "And the tests?"}, {"type": "image", "source": {}}]),
    )
    assert told.messages == (
        Message("user", "Fix the parser"),
        Message("assistant", "I read it."),
        Message("user", "And the tests?"),
    )
    assert told.todos == (Todo("read", "completed"), Todo("write", "in_progress"))
    assert told.edited == ("/p/b.py", "/p/a.py")


def test_claude_code_tasks_are_followed_one_by_one() -> None:
    told = heard(
        assistant(
            tool("TaskCreate", "c1", subject="read"), tool("TaskCreate", "c2", subject="old")
        ),
        result("c1", "Task #1 created successfully: read"),
        result("c2", "", toolUseResult={"task": {"id": "2", "subject": "write"}}),
        assistant(tool("TaskUpdate", "c3", taskId="1", status="completed")),
        assistant(tool("TaskUpdate", "c4", taskId="9", status="in_progress")),
        assistant(tool("TaskUpdate", "c5", taskId="2", status="deleted")),
    )
    assert told.todos == (
        Todo("read", "completed", "1"),
        Todo("write", "deleted", "2"),
        Todo("", "in_progress", "9"),
    )
    listed = {"tasks": [{"id": "3", "subject": "ship", "status": "pending", "blockedBy": []}]}
    assert heard(
        assistant(tool("TaskUpdate", "c4", taskId="9", status="in_progress")),
        result("c6", "", toolUseResult=listed),
    ).todos == (Todo("ship", "pending", "3"),)


def test_codex_messages_and_plan() -> None:
    def item(**payload: Any) -> dict[str, Any]:
        return {"timestamp": "2026-11-29T05:00:00Z", "type": "response_item", "payload": payload}

    plan = {
        "plan": [{"step": "read", "status": "completed"}, {"step": "write", "status": "pending"}]
    }
    told = heard(
        {"type": "session_meta", "payload": {"id": "x", "cwd": "/p"}},
        item(type="message", role="developer", content=[{"type": "input_text", "text": "rules"}]),
        item(type="message", role="user", content=[
            {"type": "input_text", "text": "<environment_context>\n</environment_context>"}]),
        item(type="message", role="user", content=[{"type": "input_text", "text": "Fix it"}]),
        {"type": "event_msg", "payload": {"type": "user_message", "message": "Fix it"}},
        item(type="function_call", name="update_plan", arguments=json.dumps(plan), call_id="c"),
        item(type="function_call", name="update_plan", arguments="{broken", call_id="c"),
        item(type="message", role="assistant", content=[{"type": "output_text", "text": "Done"}]),
    )  # fmt: skip
    assert told.messages == (Message("user", "Fix it"), Message("assistant", "Done"))
    assert told.todos == (Todo("read", "completed"), Todo("write", "pending"))


def test_gemini_messages_change_and_are_rewound() -> None:
    todo = {"description": "a", "status": "pending"}
    calls = [
        {"id": "c", "name": "write_todos", "args": {"todos": [todo]}},
        {"id": "d", "name": "write_file", "args": {"file_path": "a.py", "content": ""}},
    ]  # fmt: skip
    told = heard(
        {"sessionId": "s", "projectHash": "h", "startTime": "x"},
        {"id": "1", "type": "user", "content": [{"text": "Fix it"}]},
        {"id": "2", "type": "gemini", "content": "I be", "toolCalls": calls},
        {"id": "2", "type": "gemini", "content": "I begin"},
        {"id": "3", "type": "info", "content": "a notice"},
        {"id": "4", "type": "user", "content": "No, wrong"},
        {"id": "5", "type": "gemini", "content": "Sorry"},
        {"$rewindTo": "4"},
        {"$set": {"lastUpdated": "later"}},
    )
    assert told.messages == (Message("user", "Fix it"), Message("assistant", "I begin"))
    assert told.todos == (Todo("a", "pending"),)
    assert told.edited == ("a.py",)
    fresh = {"$set": {"messages": [{"id": "9", "type": "user", "content": "New"}]}}
    assert heard({"id": "1", "type": "user", "content": "Old"}, fresh).messages == (
        Message("user", "New"),
    )


def test_cursor_messages() -> None:
    def line(role: str, text: str) -> dict[str, Any]:
        return {"role": role, "message": {"content": [{"type": "text", "text": text}]}}

    told = heard(line("user", "<user_query>\nFix it\n</user_query>"), line("assistant", "Done"))
    assert told.messages == (Message("user", "Fix it"), Message("assistant", "Done"))


def test_what_was_asked_for_is_kept_behind_long_work() -> None:
    told = heard(*(user(f"u{n}") for n in range(9)), *(assistant(f"a{n}") for n in range(99)))
    assert [message.text for message in told.messages] == [
        "u5", "u6", "u7", "u8", "a93", "a94", "a95", "a96", "a97", "a98",
    ]  # fmt: skip


def test_a_session_without_todos_has_none_and_an_emptied_list_is_empty() -> None:
    assert heard(user("hello")).todos is None
    assert heard(assistant(tool("TodoWrite", todos=[]))).todos == ()


def test_the_end_of_a_huge_transcript_is_read(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    with path.open("wb") as file:
        file.truncate(500_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + json.dumps(user("Fix it")).encode() + b"\n")
    told = read_transcript(path)
    assert told is not None
    assert told.messages == (Message("user", "Fix it"),)


def test_a_line_that_is_cut_at_the_beginning_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "transcript.jsonl"
    long, short = (json.dumps(user(text)) + "\n" for text in ("x" * TAIL_BYTES, "Fix it"))
    path.write_text(long + short)
    told = read_transcript(path)
    assert told is not None
    assert told.messages == (Message("user", "Fix it"),)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_only_a_plain_file_is_a_transcript(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path in (None, tmp_path / "fifo", tmp_path / "loop", tmp_path, Path("/dev/zero")):
        assert read_transcript(path) is None
    (tmp_path / "file").write_text(json.dumps(user("Fix it")))
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_transcript(tmp_path / "link") is not None


KEYS = st.sampled_from(
    [
        "type",
        "role",
        "message",
        "payload",
        "content",
        "text",
        "name",
        "input",
        "id",
        "uuid",
        "isMeta",
        "toolUseResult",
        "task",
        "tasks",
        "todos",
        "plan",
        "subject",
        "taskId",
        "status",
        "toolCalls",
        "args",
        "arguments",
        "$set",
        "$rewindTo",
        "messages",
        "tool_use_id",
    ]
)
WORDS = st.sampled_from(
    [
        "user",
        "assistant",
        "gemini",
        "tool_use",
        "tool_result",
        "text",
        "function_call",
        "TodoWrite",
        "TaskCreate",
        "TaskUpdate",
        "update_plan",
        "Edit",
        "Task",
        "#1",
        "created",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=6) | VALUES, max_size=6))
def test_no_line_is_more_than_not_understood(entries: list[Any]) -> None:
    lines = [json.dumps(entry).encode() for entry in entries]
    told = parse_lines([*lines, b"{", b"\xff\xfe", b"[" * 5000, b'{"a":"\\ud800"}'])
    assert all(message.text for message in told.messages)
