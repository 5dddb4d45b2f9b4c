"""Stored milliseconds as times, and times as milliseconds to store."""

from __future__ import annotations

from datetime import UTC, datetime

from safepoint.errors import InvalidInput

__all__ = ["millis", "when"]

_YEAR_9000_MS = 221_845_392_000_000


def when(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def millis(moment: datetime, what: str) -> int:
    """Raises InvalidInput for a time without a zone, or before 1970 or after 8999."""
    at_ms = -1
    if moment.tzinfo is not None and 1970 <= moment.year < 9000:
        at_ms = int(moment.timestamp() * 1000)
    if not 0 <= at_ms < _YEAR_9000_MS:
        raise InvalidInput(
            f"{what} must be a time with its zone, between 1970 and 9000",
            hint="Give it as in 2027-01-31T08:00:00Z.",
            code="bad_time",
        )
    return at_ms
