"""Which names a model may give to workspaces and steps over MCP, and what to say about others.

Stricter than the library, which takes any Unicode string: a name that a model chose is read by
people, typed into terminals and shown in pages.
"""

from __future__ import annotations

import re
from typing import Final

from safepoint import InvalidInput

__all__ = [
    "check_approval_name",
    "check_step_name",
    "check_workspace_name",
    "is_workspace_name",
    "show_name",
]

MAX_CHARS: Final = 200
DEVICES: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def check_workspace_name(name: str) -> None:
    """Raises InvalidInput, with the rule and a corrected name, unless `name` may be used."""
    broken = _broken_rule(name) or _broken_key_rule(name)
    if broken is not None:
        raise InvalidInput(
            f"The workspace name {show_name(name)} cannot be used: {broken}",
            hint=f"Use a name such as {show_name(_corrected(name))}.",
            code="invalid_name",
        )


def is_workspace_name(name: str) -> bool:
    """Whether `check_workspace_name` lets it pass."""
    return _broken_rule(name) is None and _broken_key_rule(name) is None


def check_step_name(name: str) -> None:
    """The same rules for steps, which are never part of a path: `/`, `\\`, dots and device names
    are theirs to use."""
    _check("step", name, "first-step")


def check_approval_name(name: str) -> None:
    """As for steps."""
    _check("approval", name, "send-invoices")


def _check(what: str, name: str, example: str) -> None:
    broken = _broken_rule(name)
    if broken is not None:
        raise InvalidInput(
            f"The {what} name {show_name(name)} cannot be used: {broken}",
            hint=f"Use a name such as {show_name(_cleaned(name) or example)}.",
            code="invalid_name",
        )


def show_name(name: str) -> str:
    """The name in quotes for a message: short, on one line, every odd character escaped."""
    cut = name if len(name) <= 80 else f"{name[:79]}…"
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in cut)
    return f"'{shown}'"


def _broken_rule(name: str) -> str | None:
    if not name:
        return "it is empty"
    if len(name) > MAX_CHARS:
        return f"it has {len(name)} characters, and {MAX_CHARS} are the most"
    if name != name.strip():
        return "it begins or ends with white space"
    if name.isprintable():
        return None
    if any("\ud800" <= char <= "\udfff" for char in name):
        return "it holds half of a surrogate pair, which is not a character"
    if "\0" in name:
        return "it holds a NUL character"
    return "it holds a control or invisible character"


def _broken_key_rule(name: str) -> str | None:
    if "/" in name or "\\" in name:
        return "it holds / or \\, and a name is not a path"
    if name.startswith("."):
        return "it begins with a dot"
    if DEVICES.fullmatch(name):
        return "it is a device name on Windows"
    return None


def _cleaned(name: str) -> str:
    start = name[: 2 * MAX_CHARS]
    return "".join(c if c.isprintable() else " " for c in start).strip()[:MAX_CHARS].strip()


def _corrected(name: str) -> str:
    plain = re.sub(r"[/\\]+", "-", _cleaned(name)).strip("-. ")
    if DEVICES.fullmatch(plain):
        plain = f"task-{plain}"[:MAX_CHARS]
    return plain or "my-task"
