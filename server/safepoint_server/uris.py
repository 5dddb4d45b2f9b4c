"""The addresses of resources, as values: what they name, and back. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from safepoint import NotFound
from safepoint.values import dataclass

__all__ = ["ROOT", "TEMPLATES", "Kind", "Target", "artifact_uri", "parse_uri"]

ROOT: Final = "safepoint://workspaces"
MAX_CHARS: Final = 8192
_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_VARIABLE: Final = re.compile(r"\{(\w+)\}")
_VERSION: Final = re.compile(r"[0-9]{1,12}")


class Kind(StrEnum):
    """What an address names. The first is of the whole store, all others of one workspace."""

    WORKSPACES = "workspaces"
    WORKSPACE = "workspace"
    STEPS = "steps"
    STEP = "step"
    CHECKPOINTS = "checkpoints"
    CHECKPOINT = "checkpoint"
    ARTIFACT = "artifact"


TEMPLATES: Final = {
    Kind.WORKSPACE: ROOT + "/{name}",
    Kind.STEPS: ROOT + "/{name}/steps",
    Kind.STEP: ROOT + "/{name}/steps/{step}",
    Kind.CHECKPOINTS: ROOT + "/{name}/checkpoints",
    Kind.CHECKPOINT: ROOT + "/{name}/checkpoints/{version}",
    Kind.ARTIFACT: ROOT + "/{name}/artifacts/{artifact}",
}
_LISTS: Final = {"steps": Kind.STEPS, "checkpoints": Kind.CHECKPOINTS}
_ITEMS: Final = {"steps": Kind.STEP, "checkpoints": Kind.CHECKPOINT, "artifacts": Kind.ARTIFACT}


@dataclass(frozen=True, slots=True)
class Target:
    """What an address names. `item` is a step, a version or label, or an artifact."""

    kind: Kind
    name: str = ""
    item: str = ""

    @property
    def version(self) -> int | None:
        """Of a checkpoint that is named by its version, and not by its label."""
        return int(self.item) if _VERSION.fullmatch(self.item) else None

    @property
    def uri(self) -> str:
        """Each name is one part of the address: a slash in it is escaped."""
        return _VARIABLE.sub(
            lambda found: quote(self.name if found[1] == "name" else self.item, safe=""),
            TEMPLATES.get(self.kind, ROOT),
        )


def artifact_uri(workspace: str, artifact: str) -> str:
    return Target(Kind.ARTIFACT, workspace, artifact).uri


def parse_uri(uri: str) -> Target:
    """What an address names, whether or not that exists.

    Raises:
        NotFound: `unknown_resource`: it is none of ours, or not well formed.
    """
    if len(uri) > MAX_CHARS or not uri.isprintable():
        raise _unknown("it is too long, or holds characters that have to be escaped")
    if not (uri + "/").startswith(ROOT + "/") or "?" in uri or "#" in uri:
        raise _unknown("it does not begin so, or has ? or # in it (escaped they are %3F and %23)")
    names = [_decoded(part) for part in uri.removeprefix(ROOT).split("/")[1:]]
    match names:
        case []:
            return Target(Kind.WORKSPACES)
        case [name]:
            return Target(Kind.WORKSPACE, name)
        case [name, kind] if kind in _LISTS:
            return Target(_LISTS[kind], name)
        case [name, kind, item] if kind in _ITEMS:
            return Target(_ITEMS[kind], name, item)
        case _:
            raise _unknown("it has other parts than these (a / in a name is %2F)")


def _decoded(part: str) -> str:
    if not part:
        raise _unknown("a part of it is empty")
    if _ESCAPE.search(part):
        raise _unknown("a % in it is not followed by two hexadecimal digits (escaped it is %25)")
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise _unknown("its escapes are not UTF-8") from None


def _unknown(why: str) -> NotFound:
    return NotFound(
        f"This is not the address of a resource here: {why}",
        hint=f"Read {ROOT}, or one of {', '.join(TEMPLATES.values())}.",
        code="unknown_resource",
    )
