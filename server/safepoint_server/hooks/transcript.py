"""The last messages, the to-do list and the edited files of a session, from the end of its
transcript: JSON lines of several clients, of which only what is known is taken. Parsing is pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from safepoint_server.hooks.regular import open_regular

__all__ = ["Message", "Todo", "Transcript", "parse_lines", "read_transcript"]

TAIL_BYTES: Final = 2 * 1024 * 1024
OF_PEOPLE: Final = 4
OF_AGENT: Final = 6
MAX_TODOS: Final = 50
MAX_EDITED: Final = 200

ROLES: Final = {
    "user": "user",
    "human": "user",
    **dict.fromkeys(("assistant", "gemini", "model"), "assistant"),
}
NOT_SAID: Final = re.compile(
    r"\s*(?:<(?:command-|local-command|system-reminder|environment_context|user_instructions"
    r"|task-notification|bash-(?:input|stdout|stderr))|# AGENTS\.md)"
)
QUERY: Final = re.compile(r"\s*<user_query>(.*?)</user_query>\s*", re.DOTALL)
CREATED: Final = re.compile(r"Task #(\S{1,20}) created")
EDITS: Final = {"Edit", "Write", "MultiEdit", "NotebookEdit", "write_file", "replace"}
LISTS: Final = {"TodoWrite", "write_todos", "todo_write", "update_plan"}


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Todo:
    """`id` is that of a client which changes tasks one by one, to `deleted` too; `text` is empty
    when the task was created before what was read."""

    text: str
    status: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """`todos` is None when none was written."""

    messages: tuple[Message, ...] = ()
    todos: tuple[Todo, ...] | None = None
    edited: tuple[str, ...] = ()


def read_transcript(path: Path | None) -> Transcript | None:
    """From the last two megabytes of the file; None when there is none that can be read."""
    if path is None:
        return None
    file = open_regular(path, links=True)
    if file is None:
        return None
    with file:
        try:
            start = max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES)
            file.seek(start)
            lines = file.read(TAIL_BYTES).split(b"\n")[1 if start else 0 :]
        except OSError:
            return None
    return parse_lines(lines)


def parse_lines(lines: Iterable[bytes]) -> Transcript:
    """What the lines tell, in their order; lines that are not understood are passed over."""
    heard = _Heard()
    for line in lines:
        try:
            entry = orjson.loads(line) if line.strip() else None
        except orjson.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            heard.entry(entry)
    return heard.told()


@dataclass(slots=True)
class _Heard:
    messages: dict[object, Message] = field(default_factory=dict)
    listed: tuple[Todo, ...] | None = None
    tasks: dict[str, Todo] | None = None
    created: dict[str, str] = field(default_factory=dict)
    edited: dict[str, None] = field(default_factory=dict)

    def told(self) -> Transcript:
        todos = self.listed if self.tasks is None else tuple(self.tasks.values())
        return Transcript(
            messages=_last(tuple(self.messages.values())),
            todos=None if todos is None else todos[-MAX_TODOS:],
            edited=tuple(self.edited)[-MAX_EDITED:],
        )

    def entry(self, entry: dict[str, Any]) -> None:
        rewound = entry.get("$rewindTo")
        if isinstance(rewound, str):
            self._rewind(rewound)
        updated = entry.get("$set")
        earlier = updated.get("messages") if isinstance(updated, dict) else None
        if isinstance(earlier, list):
            self.messages.clear()
            for one in earlier:
                if isinstance(one, dict):
                    self._one(one)
        if not entry.get("isSidechain"):
            self._one(entry)

    def _rewind(self, key: str) -> None:
        if key in self.messages:
            keys = list(self.messages)
            for later in keys[keys.index(key) :]:
                del self.messages[later]

    def _one(self, entry: dict[str, Any]) -> None:
        body = entry.get("message", entry.get("payload"))
        body = body if isinstance(body, dict) else entry
        content = body.get("content")
        for block in content if isinstance(content, list) else ():
            if isinstance(block, dict):
                self._block(block)
        for call in _dicts(entry.get("toolCalls")):
            self._tool(call.get("name"), "", call.get("args"))
        if body.get("type") == "function_call":
            self._tool(body.get("name"), "", body.get("arguments"))
        self._result(entry.get("toolUseResult"))
        words = (_str(body.get("role")), _str(entry.get("role")), _str(entry.get("type")))
        role = next((ROLES[word] for word in words if word in ROLES), None)
        if role is None or entry.get("isMeta") or entry.get("isCompactSummary"):
            return
        text = _said(content)
        if match := QUERY.fullmatch(text):
            text = match[1]
        if text.strip() and not (role == "user" and NOT_SAID.match(text)):
            key = entry.get("uuid") or entry.get("id")
            self.messages[key if isinstance(key, str) else object()] = Message(role, text.strip())

    def _block(self, block: dict[str, Any]) -> None:
        if block.get("type") == "tool_use":
            self._tool(block.get("name"), block.get("id"), block.get("input"))
        elif block.get("type") == "tool_result":
            match = CREATED.match(_said(block.get("content")))
            subject = self.created.pop(str(block.get("tool_use_id")), None)
            if match and subject is not None:
                self._task(match[1], subject, "pending")

    def _tool(self, name: object, call: object, given: object) -> None:
        if isinstance(given, str):
            try:
                given = orjson.loads(given)
            except orjson.JSONDecodeError:
                return
        if not isinstance(given, dict):
            return
        if name in LISTS:
            self.tasks = None
            self.listed = tuple(_listed(given.get("todos", given.get("plan"))))
        elif name == "TaskCreate":
            self.created[str(call)] = _str(given.get("subject"))
        elif name == "TaskUpdate":
            self._task(_str(given.get("taskId")), given.get("subject"), given.get("status"))
        elif name in EDITS:
            path = _str(given.get("file_path") or given.get("notebook_path"))
            self.edited.pop(path, None)
            self.edited |= {path: None} if path else {}

    def _result(self, result: object) -> None:
        """What a task tool answered: the whole list is better than its changes."""
        if not isinstance(result, dict):
            return
        listed = [task for task in _dicts(result.get("tasks")) if "subject" in task]
        self.tasks = {} if listed else self.tasks
        for task in listed or _dicts([result.get("task")]):
            if isinstance(task.get("subject"), str):
                self._task(_str(task.get("id")), task["subject"], task.get("status"))

    def _task(self, number: str, text: object, status: object) -> None:
        if not number:
            return
        self.tasks = {} if self.tasks is None else self.tasks
        was = self.tasks.get(number) or Todo("", "pending", number)
        self.tasks[number] = Todo(_str(text) or was.text, _str(status) or was.status, number)


def _last(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The newest, of both sides: what was asked for is not lost behind long work on it."""
    left = {"user": OF_PEOPLE, "assistant": OF_AGENT}
    kept = []
    for message in reversed(messages):
        if left[message.role]:
            left[message.role] -= 1
            kept.append(message)
    return tuple(reversed(kept))


def _said(content: object) -> str:
    if isinstance(content, str):
        return content
    texts = (
        block.get("text")
        for block in _dicts(content)
        if block.get("type") in (None, "text", "input_text", "output_text")
    )
    return "\n".join(text for text in texts if isinstance(text, str))


def _listed(items: object) -> Iterator[Todo]:
    for item in _dicts(items):
        text = item.get("content") or item.get("description") or item.get("step")
        if isinstance(text, str):
            yield Todo(text, _str(item.get("status")) or "pending")


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _str(value: object) -> str:
    return value if isinstance(value, str) else ""
