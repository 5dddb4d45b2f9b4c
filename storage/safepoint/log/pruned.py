"""The answer to whoever asks for a version that retention has taken."""

from __future__ import annotations

from safepoint.errors import NotFound
from safepoint.format.document import Document
from safepoint.log.transitions.base import when

__all__ = ["pruned_error"]


def pruned_error(workspace: str, version: int, head: Document) -> NotFound:
    """`head` is the newest version, which tells when and by which policy."""
    on = when(head.pruned_ms).date().isoformat()
    return NotFound(
        f"version {version} of workspace {workspace!r} was pruned by policy "
        f"({head.pruned_by}) on {on}",
        hint="list_checkpoints shows the checkpoints that are kept.",
        code="pruned",
    )
