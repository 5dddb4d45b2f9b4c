"""Which workspace belongs to a project: the name given on the command line, the one in the
project's `.safepoint.json`, or a derived one. A file of the project may name a workspace, and that
is all: no store, and none that another project has used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from safepoint import InvalidInput
from safepoint.values import dataclass
from safepoint_server.hooks.project import Project
from safepoint_server.hooks.regular import read_regular
from safepoint_server.names import check_workspace_name, show_name

__all__ = ["FILE_NAME", "Binding", "bind", "sessions_of"]

FILE_NAME: Final = ".safepoint.json"
MAX_FILE: Final = 4096
MAX_NAME: Final = 180
SESSIONS: Final = ".sessions"
MAX_SLUG: Final = 40
SHORT: Final = 12
LONG: Final = 32


@dataclass(frozen=True, slots=True)
class Binding:
    """The workspaces that come into question, best first. `trusted`: it was said by whoever set up
    the hook. `remark` is what is wrong with the project's file."""

    names: tuple[str, ...]
    trusted: bool = False
    remark: str = ""


def sessions_of(name: str) -> str:
    """The workspace beside `name` that holds what hooks recorded. The agent's own is left to it: a
    commit there would be a version conflict for an agent that saves what it had loaded before."""
    return f"{name}{SESSIONS}"


def bind(project: Project, given: str | None, store: str) -> Binding:
    """The binding of `project`, where `store` is in use and `given` was said.

    Raises:
        InvalidInput: `given` cannot be a workspace's name.
    """
    if given is not None:
        _check(given)
        return Binding((given,), trusted=True)
    named, remark = None, ""
    try:
        named = _named(project, store)
    except InvalidInput as error:
        remark = error.message
    derived = [_derived(project, digits) for digits in (SHORT, LONG)]
    return Binding((*([named] if named else []), *derived), remark=remark)


def _derived(project: Project, digits: int) -> str:
    slug = re.sub(r"[^a-z0-9._-]+", "-", project.name.lower()).strip("-._")[:MAX_SLUG]
    return f"{slug.strip('-._') or 'project'}-{project.identity[:digits]}"


def _named(project: Project, store: str) -> str | None:
    """The name in the first file from the folder up to the root of the working tree."""
    above = [project.folder, *project.folder.parents]
    for folder in above[: above.index(project.root) + 1]:
        path = folder / FILE_NAME
        if path.is_symlink() or path.exists():
            return _read(path, store)
    return None


def _read(path: Path, store: str) -> str:
    text = read_regular(path, MAX_FILE)
    try:
        value: Any = json.loads(text or "")
    except (ValueError, RecursionError):
        raise _wrong(f"it is no file of at most {MAX_FILE} bytes of JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("workspace"), str):
        raise _wrong('it is no JSON object with "workspace"')
    if extra := value.keys() - {"workspace", "store"}:
        raise _wrong(f"it holds {show_name(sorted(extra)[0])}, which means nothing in it")
    asked = value.get("store", store)
    if not isinstance(asked, str) or _place(asked) != _place(store):
        raise _wrong("it names another store than the one in use, which only --store may")
    _check(value["workspace"])
    return str(value["workspace"])


def _check(name: str) -> None:
    check_workspace_name(name)
    broken = ""
    if len(name) > MAX_NAME:
        broken = f"{MAX_NAME} characters are the most for one that hooks use"
    elif name.endswith(SESSIONS):  # notes of a project, and perhaps of another one
        broken = f"what ends in {SESSIONS} holds what hooks recorded"
    if broken:
        raise InvalidInput(
            f"The workspace name {show_name(name)} cannot be used: {broken}",
            hint="Give another name.",
            code="invalid_name",
        )


def _place(store: str) -> str:
    return store if "://" in store else str(Path(store).expanduser().absolute())


def _wrong(why: str) -> InvalidInput:
    return InvalidInput(f"{FILE_NAME} is not used: {why}", code="bad_binding")
