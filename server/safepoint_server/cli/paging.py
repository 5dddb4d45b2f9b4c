"""Follows cursors until enough lines are there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from safepoint import Page
from safepoint.values import dataclass

__all__ = ["Rows", "gather"]

T = TypeVar("T")

_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """At most as many items as asked for, and whether there are more."""

    items: tuple[T, ...]
    more: bool


async def gather(fetch: Callable[[int, str | None], Awaitable[Page[T]]], limit: int) -> Rows[T]:
    """The first `limit` items of `fetch(page size, cursor)`, over as many pages as it takes."""
    items: list[T] = []
    cursor: str | None = None
    while True:
        page = await fetch(min(_PAGE, limit - len(items)), cursor)
        items.extend(page.items)
        cursor = page.next_cursor
        if cursor is None or len(items) >= limit:
            return Rows(tuple(items[:limit]), cursor is not None or len(items) > limit)
