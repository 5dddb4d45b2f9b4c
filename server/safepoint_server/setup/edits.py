"""The changes that setup makes: which file, what becomes of its text, and how it went."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safepoint_server.credentials import VALUE
from safepoint_server.hooks.binding import FILE_NAME
from safepoint_server.setup.clients import Client, Machine
from safepoint_server.setup.entry import (
    NAME,
    Local,
    Remote,
    inputs_of,
    is_ours,
    merged_entry,
)
from safepoint_server.setup.errors import ChangedMeanwhile, NotEditable
from safepoint_server.setup.files import ConfigFile
from safepoint_server.setup.hooks import hook_command, with_hooks, without_hooks
from safepoint_server.setup.jsonc import JsonText
from safepoint_server.setup.toml import TomlText

__all__ = ["Edit", "Outcome", "binding_edit", "client_edits", "run_edit", "snippet"]

_ATTEMPTS: Final = 3
_MAX_LINE: Final = 240
_SECRET_MEMBER: Final = re.compile(
    r"""(["']?[\w-]*(?:pass|secret|token|api[_-]?key|auth|credential)[\w-]*["']?\s*[:=]\s*)"""
    r"""("(?!\$|Bearer\ \$)(?:[^"\\]|\\.)*"|'[^']*')""",
    re.IGNORECASE,
)

Text = JsonText | TomlText


@dataclass(frozen=True, slots=True)
class Edit:
    """What becomes of one file. `project` is the folder that the file must not lead out of."""

    client: str
    what: str
    path: Path
    project: Path | None
    change: Callable[[str], Text]
    removes: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went: `made`, `changed`, `removed`, `unchanged` or `failed`; in a dry run, how it
    would go."""

    client: str
    what: str
    path: Path
    status: str
    diff: str = ""
    backup: Path | None = None
    message: str = ""
    hint: str = ""


def client_edits(
    client: Client,
    server: Local | Remote | None,
    *,
    machine: Machine,
    project: Path | None,
    hooks: bool,
) -> Iterator[Edit]:
    """The edits that register `server`, or with None take Safepoint out again, in the files of the
    user or (if given) of the project. Without `hooks` hooks of ours are taken out.
    """
    if project is None:
        path = client.user(machine)
    elif client.project is not None:
        path = project / client.project
    else:
        return
    commands = {}
    if client.hooks is not None and hooks and isinstance(server, Local):
        commands = {
            event: hook_command(client, server, ours, machine.platform)
            for event, ours, _ in client.hooks.events
        }

    def serve(text: str) -> Text:
        return _server_put(client, server, text, trusted=project is None)

    def hook(text: str) -> JsonText:
        file = JsonText(text)
        if client.hooks is None or not commands:
            return without_hooks(file)
        return with_hooks(file, client.hooks, commands)

    removes = server is None
    if client.hooks is None:
        yield Edit(client.name, "server", path, project, serve, removes)
        return
    beside = client.hooks.user(machine) if project is None else project / client.hooks.project
    if beside == path:
        both = "server, hooks"
        yield Edit(client.name, both, path, project, lambda text: hook(serve(text).text), removes)
        return
    yield Edit(client.name, "server", path, project, serve, removes)
    yield Edit(client.name, "hooks", beside, project, hook, removes or not commands)


def snippet(client: Client, server: Local) -> str:
    """The file of a client that has this server and nothing else."""
    return _server_put(client, server, "", trusted=True).text


def binding_edit(project: Path, workspace: str, *, remove: bool) -> Edit:
    """The edit that binds a project's folder to a workspace, or takes that binding out again."""

    def change(text: str) -> JsonText:
        file = JsonText(text)
        if not remove:
            return file.set(["workspace"], workspace)
        return file.remove(["workspace"]) if file.get(["workspace"]) == workspace else file

    return Edit("", "workspace", project / FILE_NAME, project, change, removes=remove)


def _server_put(client: Client, server: Local | Remote | None, text: str, *, trusted: bool) -> Text:
    file: Text = TomlText(text) if client.toml else JsonText(text)
    place = (client.servers, NAME)
    there = file.get(place)
    if server is not None:
        entry = merged_entry(client, server, there)
        if not trusted and entry not in (there, merged_entry(client, server, None)):
            raise NotEditable(  # a variable such as PYTHONPATH, which came with a checkout
                "the entry there holds more than setup writes, and may be anybody's",
                "Look at it, take out what is not yours or the entry, and run setup again.",
            )
        file = file.put(place, entry)
    elif is_ours(there):
        file = file.remove(place)
    if isinstance(file, JsonText) and client.asks:
        file = _inputs_put(file, client, server)
    return file


def _inputs_put(file: JsonText, client: Client, server: Local | Remote | None) -> JsonText:
    wanted = [] if server is None else inputs_of(client, server)
    ids = [one["id"] for one in wanted]
    there = file.get(["inputs"]) or []
    for at, one in reversed(list(enumerate(there))):
        identity = str(one.get("id", "")) if isinstance(one, dict) else ""
        if identity.startswith(f"{NAME}-") and identity not in ids:
            file = file.remove(["inputs", at])
    known = [one.get("id") for one in there if isinstance(one, dict)]
    for one in wanted:
        if one["id"] not in known:
            file = file.append(["inputs"], one)
    return file


def run_edit(edit: Edit, *, dry_run: bool) -> Outcome:
    """Do it, or see what it would do. Never raises for what is wrong with the file."""
    for attempt in range(_ATTEMPTS):
        try:
            return _run(edit, dry_run=dry_run)
        except ChangedMeanwhile as error:
            if attempt + 1 == _ATTEMPTS:
                return _failed(edit, error)
        except NotEditable as error:
            return _failed(edit, error)
    raise AssertionError("unreachable")


def _failed(edit: Edit, error: NotEditable) -> Outcome:
    hint = error.hint or "Put it right with an editor, then run `safepoint setup` again."
    return Outcome(edit.client, edit.what, edit.path, "failed", message=str(error), hint=hint)


def _run(edit: Edit, *, dry_run: bool) -> Outcome:
    file = ConfigFile.read(edit.path, inside=edit.project)
    before = file.text
    made = edit.change(before)
    if not _is_unicode(made.text):
        raise NotEditable("a path to be written is not Unicode text", "Move the store or the key.")
    if made.text == before or not (made.value or before.strip()):
        return Outcome(edit.client, edit.what, edit.path, "unchanged")
    after: str | None = made.text
    if edit.removes and not made.value and made.text.strip() in ("{}", "") and not file.backups:
        after = None  # whatever else was in a file would have left a backup beside it
    status = "made" if file.data is None else "removed" if edit.removes else "changed"
    backup = None if dry_run else file.replace(None if after is None else after.encode())
    diff = "".join(_diff(edit.path, before, after or ""))
    return Outcome(edit.client, edit.what, edit.path, status, diff, backup)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _diff(path: Path, before: str, after: str) -> Iterator[str]:
    """A unified diff that shows nobody's secrets, and of a long line only its start."""
    name = str(path)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, n=2)
    for line in lines:
        shown = _SECRET_MEMBER.sub(r'\1"…"', VALUE.sub("…", line.rstrip("\n")))
        yield (shown if len(shown) <= _MAX_LINE else f"{shown[:_MAX_LINE]}…") + "\n"
