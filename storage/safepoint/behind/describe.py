"""What stands readable beside a sealed record where the place shows it, as a bucket does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

__all__ = ["describe"]

_NAMES = ("label", "step", "approval")
_MAX_CHARS = 600  # S3 takes 2 KB in all, of US-ASCII


def describe(
    policy: Literal["full", "counts", "off"], version: int, event: Mapping[str, Any]
) -> dict[str, str]:
    """The version and kind of an event, with policy `full` its label, step and approval too, in
    ASCII: other characters are percent-encoded. Nothing with policy `off`."""
    if policy == "off":
        return {}
    found = {"version": str(version), "event": str(event.get("kind", ""))}
    if policy == "full":
        found |= {name: str(event[name]) for name in _NAMES if event.get(name)}
    return {f"safepoint-{n}": quote(v, safe=" /:,()")[:_MAX_CHARS] for n, v in found.items()}
