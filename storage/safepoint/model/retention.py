"""Retention: which versions a workspace keeps, what would go, and what went."""

from __future__ import annotations

from datetime import datetime, timedelta

from safepoint.values import dataclass

__all__ = ["Pruned", "Retention", "RetentionPolicy"]


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """Which versions are kept besides those that always are: everything since the newest
    `keep_last` checkpoints began, and everything younger than `keep_within`. What either rule
    keeps is kept. With neither, everything is."""

    keep_last: int | None = None
    keep_within: timedelta | None = None

    @property
    def keeps_everything(self) -> bool:
        return self.keep_last is None and self.keep_within is None

    def __str__(self) -> str:
        """Such as `keep last 20, keep within 30d`."""
        rules = []
        if self.keep_last is not None:
            rules.append(f"keep last {self.keep_last}")
        if self.keep_within is not None:
            rules.append(f"keep within {in_units(self.keep_within)}")
        return ", ".join(rules) or "keep everything"


def in_units(span: timedelta) -> str:
    """Such as `30d`, `1d12h` or `90s`."""
    seconds, parts = int(span.total_seconds()), []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds >= size:
            parts.append(f"{seconds // size}{unit}")
            seconds %= size
    return "".join(parts) or "0s"


@dataclass(frozen=True, slots=True)
class Retention:
    """What a workspace keeps. `policy` is in force: its `own`, or else that of the `store`.

    Versions below `floor` were pruned, but for `kept` of them, at `pruned_at` last.
    """

    policy: RetentionPolicy
    own: RetentionPolicy | None
    store: RetentionPolicy | None
    pins: tuple[int, ...]
    floor: int
    kept: int
    pruned_at: datetime | None
    pruned_by: str | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune did, or with `dry_run` would do.

    `versions` in all, in `ranges` (first and last included), are pruned: nobody can load them any
    more. `floor` is the version from which on all are kept, `kept` how many are below it.
    `removed` objects were removed from the store, or could be now; `waiting` ones are pruned but
    stay a while, because they are young or close to the newest version. `revisions` of artifacts
    went with the versions. `error` says why nothing could be done.
    """

    workspace: str
    version: int
    policy: str
    dry_run: bool
    versions: int
    ranges: tuple[tuple[int, int], ...]
    floor: int
    kept: int
    removed: int
    waiting: int
    revisions: int
    error: str | None = None
