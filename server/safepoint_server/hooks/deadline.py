"""Until when a hook has to be done, and its parts before it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["Deadline"]

SECONDS: Final = 2.0
MARGIN: Final = 0.3
"""For the end of the process itself."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """Shares are parts of the whole time: `left(0.5)` is what is left of its first half."""

    start: float
    seconds: float

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Deadline:
        """Counted from the start of this process, by the processor time that it has taken."""
        try:
            seconds = float(environ.get("SAFEPOINT_HOOK_SECONDS") or SECONDS)
        except ValueError:  # refused with the other settings
            seconds = SECONDS
        return cls(time.monotonic() - time.process_time(), seconds - MARGIN)

    def left(self, share: float = 1.0) -> float:
        """Seconds; 0 when it is over."""
        return max(0.0, self.start + self.seconds * share - time.monotonic())

    def passed(self, share: float = 1.0) -> bool:
        return self.left(share) <= 0

    def spent(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start
