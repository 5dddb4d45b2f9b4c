"""What everything speaks of: JSON, who acted, limits, pages of items."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Generic, TypeAlias, TypeVar

from safepoint.values import dataclass

__all__ = [
    "Actor",
    "JSON",
    "Limits",
    "Page",
    "UNSET",
    "Unset",
]

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | dict[str, JSON] | None"
T = TypeVar("T")


class Unset:
    """The type of `UNSET`: "not given", where None is a value of its own."""

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes unless named otherwise; every one is refused with `LimitExceeded`."""

    state_bytes: int = 16 * 1024 * 1024
    result_bytes: int = 256 * 1024
    summary_bytes: int = 4 * 1024
    label_chars: int = 200
    name_chars: int = 1000
    step_chars: int = 200
    steps: int = 10_000
    references: int = 100
    approvals: int = 1_000
    artifact_bytes: int = 64 * 1024**3
    artifacts: int = 10_000
    artifact_revisions: int = 20_000
    depth: int = 128
    document_bytes: int = 60 * 1024 * 1024
    lease_min: timedelta = timedelta(seconds=1)
    lease_max: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who made a change: a program or client name, its version, and the process it ran in."""

    name: str
    version: str = ""
    host: str = ""
    process: str = ""
    transport: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items and, when there are more, the cursor to pass for the next ones."""

    items: tuple[T, ...]
    next_cursor: str | None = None
