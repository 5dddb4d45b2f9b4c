"""Turns failures into what a model reads: what happened, why, and which call comes next."""

from __future__ import annotations

from typing import Final

from mcp.server.mcpserver.exceptions import ToolError

from safepoint import Conflict, InvalidInput, NotFound, SafepointError, Unavailable

__all__ = ["kind_of", "refusal", "unexpected"]

MAX_CHARS: Final = 2000


def refusal(error: SafepointError) -> ToolError:
    """The error as text for the model: message, `Next:` what to do, and the stable code."""
    parts = [_sentence(error.message[:MAX_CHARS])]
    if error.hint:
        parts.append(f"Next: {_sentence(error.hint[:MAX_CHARS])}")
    parts.append(f"[{error.code}]")
    return ToolError(" ".join(parts))


def unexpected(incident: str) -> ToolError:
    """The error that shows the model the id by which the log explains it, and nothing else."""
    return ToolError(
        f"The server failed unexpectedly (incident {incident}). Whether the call took effect is "
        "not known. Next: call load_checkpoint to see what is stored, and tell the user the "
        "incident id, which the server's log explains. [internal]"
    )


def kind_of(error: SafepointError) -> str:
    """Whether the caller can mend it, the store does not answer, or what it holds is no use."""
    if isinstance(error, InvalidInput | NotFound | Conflict):
        return "refused"
    return "unavailable" if isinstance(error, Unavailable) else "unreadable"


def _sentence(text: str) -> str:
    trimmed = text.strip()
    return trimmed if trimmed.endswith((".", "!", "?")) else f"{trimmed}."
