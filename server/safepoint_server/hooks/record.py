"""The notes of sessions in their workspace: who may use it, what is in it, and one commit more."""

from __future__ import annotations

from typing import Any, Final

from safepoint import Checkpoint, Conflict, InvalidInput, NotFound, Saved, Store
from safepoint.values import dataclass
from safepoint_server.hooks.binding import Binding, sessions_of
from safepoint_server.hooks.note import Note, digest, merged_todos
from safepoint_server.hooks.project import Project

__all__ = ["Found", "changed_files", "entries", "find", "loaded", "record"]

MAX_SESSIONS: Final = 10


@dataclass(frozen=True, slots=True)
class Found:
    """The workspace of a project, and its notes: session -> note, oldest first. `remark` is why it
    is not another one."""

    name: str
    version: int
    sessions: dict[str, Note]
    remark: str = ""


async def find(store: Store, binding: Binding, project: Project) -> Found:
    """The first workspace of the binding that no other project has used.

    Raises:
        InvalidInput: they all belong to others.
    """
    remark = binding.remark
    for name in binding.names:
        checkpoint = await loaded(store, sessions_of(name))
        if checkpoint is None:
            return Found(name, 0, {}, remark)
        state = checkpoint.state
        owners = _object(state, "projects")
        if isinstance(state, dict) and (
            binding.trusted or not owners or project.identity in owners
        ):
            sessions = {
                session: note
                for session, note in _object(state, "sessions").items()
                if isinstance(note, dict)
            }
            ordered = sorted(sessions.items(), key=lambda item: str(item[1].get("at", "")))
            return Found(name, checkpoint.version, dict(ordered), remark)
        remark = f"the workspace {name!r} is not used here: it belongs to another project"
    raise InvalidInput(
        f"no workspace is free for this project: {remark}",
        hint="Name one with --workspace.",
        code="workspace_taken",
    )


async def loaded(store: Store, name: str) -> Checkpoint | None:
    """The newest version, or None when there is no such workspace."""
    try:
        return await store.workspace(name).load()
    except NotFound as error:
        if error.code != "workspace_not_found":
            raise
        return None


async def record(
    store: Store, found: Found, project: Project, session: str, note: Note, *, event: str, at: str
) -> Saved | None:
    """Commit the note under its session; None, and nothing, when it tells nothing new.

    It is a merge patch of this session's key alone, so notes of other sessions stay whatever they
    do meanwhile. Of more than ten the oldest go, unless somebody else commits at this moment.
    """
    earlier = found.sessions.get(session, {})
    if "todos" in note:
        note = {**note, "todos": merged_todos(earlier.get("todos"), note["todos"])}
    told = digest({**earlier, **note})
    if told == earlier.get("digest"):
        return None
    owner = {"folder": str(project.root), "remote": project.origin or None}
    patch: dict[str, Any] = {
        "projects": {project.identity: owner},
        "sessions": {session: {**note, "at": at, "digest": told}},
    }
    workspace = store.workspace(sessions_of(found.name))
    summary = _summary(event, {**earlier, **note})
    excess = len(found.sessions.keys() | {session}) - MAX_SESSIONS
    old = [other for other in found.sessions if other != session][: max(0, excess)]
    if old:
        fewer = {**patch, "sessions": {**dict.fromkeys(old), **patch["sessions"]}}
        try:
            return await workspace.save(
                patch=fewer, summary=summary, expected_version=found.version
            )
        except Conflict:  # one of them may have been written again
            pass
    return await workspace.save(patch=patch, summary=summary)


def _summary(event: str, note: Note) -> str:
    parts = [event, str(note.get("client") or "")]
    if note.get("branch"):
        parts.append(f"on {note['branch']}")
    if entries(note, "files"):
        parts.append(changed_files(note))
    if todos := entries(note, "todos"):
        done = sum(todo.get("status") == "completed" for todo in todos)
        parts.append(f"{done} of {len(todos)} to-dos done")
    return ", ".join(filter(None, parts))


def entries(note: Note, key: str) -> list[dict[str, Any]]:
    """The objects of a list in a note, which anybody may have written."""
    found = note.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def changed_files(note: Note) -> str:
    many = len(entries(note, "files"))
    return f"{many} changed file{'' if many == 1 else 's'}"


def _object(value: object, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
