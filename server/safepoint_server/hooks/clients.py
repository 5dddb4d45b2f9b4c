"""The clients that have hooks, and how each takes what is told at the start of a session.

What they send differs in a few names only, which `given` reads for all of them.
"""

from __future__ import annotations

import json
from typing import Any, Final

__all__ = ["CLIENTS", "EVENTS", "PROJECT_VARIABLES", "nothing_to_say", "start_reply", "unreadable"]

CLIENTS: Final = ("claude-code", "codex", "cursor", "gemini-cli")
EVENTS: Final = ("session-start", "post-tool-use", "pre-compact", "stop", "session-end")

PROJECT_VARIABLES: Final = {
    "claude-code": "CLAUDE_PROJECT_DIR",
    "cursor": "CURSOR_PROJECT_DIR",
    "gemini-cli": "GEMINI_PROJECT_DIR",
}
"""Where a client names the folder in which the session was started."""


def start_reply(client: str, text: str) -> str:
    """What puts `text` into the context of a session that starts, as one line of ASCII JSON."""
    if client == "cursor":
        return _line({"additional_context": text})
    told = {"hookEventName": "SessionStart", "additionalContext": text}
    return _line({"hookSpecificOutput": told})


def unreadable(name: str | None, reason: str) -> str:
    """What a session is told of a store that does not open: it is never to be taken for a project
    without a past."""
    where = f" {name!r}" if name else ""
    shown = "".join(char if char.isprintable() and char != "<" else "?" for char in reason[:500])
    return (
        f"Safepoint could not read the workspace{where} of this project: {shown}. This is no fresh "
        "start: call load_checkpoint or list_workspaces before you begin, and tell the user if "
        "that fails too."
    )


def nothing_to_say() -> str:
    """Go on as you were: several clients take nothing but JSON."""
    return _line({})


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value) + "\n"
