"""Which workspaces a caller may use: names in which `*` stands for any characters, nothing else."""

from __future__ import annotations

from typing import Final

from safepoint import InvalidInput
from safepoint.values import dataclass
from safepoint_server.names import show_name

__all__ = ["MAX_PATTERNS", "Patterns"]

MAX_PATTERNS: Final = 50
MAX_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Patterns:
    """A name is inside when one of them matches all of it; without any, every name is."""

    patterns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises InvalidInput for what cannot be meant."""
        if len(self.patterns) > MAX_PATTERNS:
            raise InvalidInput(
                f"{len(self.patterns)} workspace patterns are given, and {MAX_PATTERNS} are the "
                "most",
                hint="Give workspaces that belong together a common beginning, and use it with *.",
            )
        for pattern in self.patterns:
            if not (pattern and pattern.isprintable() and len(pattern) <= MAX_CHARS):
                raise InvalidInput(
                    f"the workspace pattern {show_name(pattern)} is empty, longer than "
                    f"{MAX_CHARS} characters or holds invisible ones",
                    hint="Write a name, or for example team-a-* for all that begin so.",
                )

    @property
    def everything(self) -> bool:
        return not self.patterns or "*" in self.patterns

    def cover(self, name: str) -> bool:
        """Whether this workspace is inside."""
        return self.everything or any(_matches(pattern, name) for pattern in self.patterns)


def _matches(pattern: str, name: str) -> bool:
    """In linear time: each part is taken where it comes first."""
    first, *parts = pattern.split("*")
    if not parts:
        return name == first
    if not name.startswith(first):
        return False
    at, last = len(first), parts.pop()
    for part in parts:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - at >= len(last) and name.endswith(last)
