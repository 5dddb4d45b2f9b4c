"""What a hook records of a session: bounded, and without what looks like a secret. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Final

from safepoint_server.credentials import redacted
from safepoint_server.hooks.git import Tree
from safepoint_server.hooks.transcript import Message, Todo, Transcript

__all__ = ["Note", "clip", "digest", "merged_todos", "note_of"]

Note = dict[str, Any]

EDGE_CHARS: Final = 8 * 1024
"""What is searched at either end of a text: so much more than is kept, that no secret is kept that
was cut in two."""
MESSAGE_CHARS: Final = 1200
TODO_CHARS: Final = 300
PATH_CHARS: Final = 300
MAX_TODOS: Final = 50
OF_THE_MOMENT: Final = ("event", "why", "at", "host", "digest", "left_out")
"""What changes although nothing happened."""


def clip(text: str, chars: int) -> str:
    """`text` without secrets and characters that are none, its middle left out if it is long."""
    if len(text) > 2 * EDGE_CHARS:
        text = f"{text[:EDGE_CHARS]} … {text[-EDGE_CHARS:]}"
    text = redacted(text.encode(errors="backslashreplace").decode()).strip()
    if len(text) <= chars:
        return text
    end = chars // 3
    return f"{text[: chars - end - 3]} … {text[-end:]}"


def note_of(
    tree: Tree | None,
    files: Sequence[dict[str, Any]] | None,
    heard: Transcript | None,
    last_message: str,
    *,
    messages: bool,
) -> Note:
    """The parts that are known. One that is not is missing, so that the earlier one stays."""
    note: Note = {}
    left_out = []
    if tree is not None:
        note["branch"] = clip(tree.branch, PATH_CHARS) if tree.branch else None
        note["head"] = tree.head
    if files is not None:
        note["files"] = [{**file, "path": clip(file["path"], PATH_CHARS)} for file in files]
        note["files_more"] = _more(tree, len(files))
    elif tree is not None:
        left_out.append("files")
    if heard is None:
        left_out.append("transcript")
    elif heard.todos is not None:
        note["todos"] = [_todo(todo) for todo in heard.todos]
    said = list(heard.messages) if heard is not None else []
    if last_message and not (said and said[-1].text == last_message.strip()):
        said.append(Message("assistant", last_message))
    if messages and said:
        note["messages"] = [
            {"role": one.role, "text": clip(one.text, MESSAGE_CHARS)} for one in said
        ]
    note["left_out"] = left_out or None
    return note


def _more(tree: Tree | None, shown: int) -> str | None:
    if tree is None or tree.changed is None:
        return None
    rest = len(tree.changed) - shown
    return f"{'at least ' if tree.more else ''}{rest}" if rest or tree.more else None


def _todo(todo: Todo) -> dict[str, str]:
    told = {"text": clip(todo.text, TODO_CHARS), "status": clip(todo.status, 20)}
    return {**told, "id": clip(todo.id, 20)} if todo.id else told


def merged_todos(earlier: object, found: list[dict[str, str]]) -> list[dict[str, str]]:
    """Tasks that are changed one by one, over those noted before: the transcript may begin later
    than they do. A list that is written whole stays as it is."""
    if not any("id" in todo for todo in found):
        return found
    known = earlier if isinstance(earlier, list) else []
    tasks = {one["id"]: one for one in known if isinstance(one, dict) and "id" in one}
    for todo in found:
        was = tasks.get(todo["id"], {})
        tasks[todo["id"]] = {**todo, "text": todo["text"] or str(was.get("text", ""))}
    return [todo for todo in tasks.values() if todo.get("status") != "deleted"][-MAX_TODOS:]


def digest(note: Note) -> str:
    """The same for two notes that tell the same."""
    told = {key: value for key, value in note.items() if key not in OF_THE_MOMENT and value}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
