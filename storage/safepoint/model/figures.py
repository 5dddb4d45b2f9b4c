"""What an open store comes to at a moment, for those who watch it."""

from __future__ import annotations

from datetime import timedelta

from safepoint.values import dataclass

__all__ = ["Figures"]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one open store, in one process, since it was opened.

    `cache_hits` and `cache_misses` count looks for an earlier document, `cache_bytes` is what the
    cache holds, at most `cache_limit`. Summaries and pages follow commits: `behind` is how many of
    them do not tell of the last commit of this process yet, `lag` for how long the oldest of these
    has not, `given_up` how many could not be written; the next commit tries again. `repeats` are
    requests that were sent to the place again, because it refused or did not answer.
    """

    cache_hits: int
    cache_misses: int
    cache_bytes: int
    cache_limit: int
    behind: int
    lag: timedelta
    given_up: int
    repeats: int
