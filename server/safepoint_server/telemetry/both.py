"""Two observers where a store takes one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from safepoint.observer import Facts, Observer

__all__ = ["Both"]


class Both:
    """See Observer."""

    def __init__(self, first: Observer, second: Observer) -> None:
        self._first = first
        self._second = second

    @contextmanager
    def operation(self, name: str, facts: Facts, /) -> Iterator[None]:
        """See Observer.operation."""
        with self._first.operation(name, facts), self._second.operation(name, facts):
            yield
