"""Metrics that are read off the open stores when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from safepoint import Figures, SafepointError, Store

__all__ = ["StoreFigures"]

_COUNTED: Final = ("cache_hits", "cache_misses", "given_up", "repeats")


class StoreFigures(Collector):
    """Of all watched stores together. A store that does not answer is waited for during
    `patience` seconds; the rest is told without it."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._stores: list[Store] = []
        self._closed = dict.fromkeys(_COUNTED, 0)
        self._open_approvals: int | None = None

    @contextmanager
    def watching(self, store: Store) -> Iterator[None]:
        """Tell of this open store. What it has counted goes on to count when it is closed."""
        self._stores.append(store)
        try:
            yield
        finally:
            self._stores.remove(store)
            for name, value in _counted(store.figures()).items():
                self._closed[name] += value

    async def look(self) -> None:
        """Find out what has to be read from the stores. What cannot be is left out."""
        try:
            async with asyncio.timeout(self._patience):
                found = await asyncio.gather(*(store.open_approvals() for store in self._stores))
        except (SafepointError, TimeoutError):
            found = []
        counts = [count for count in found if count is not None]
        self._open_approvals = sum(counts) if counts else None

    def collect(self) -> Iterator[Metric]:
        """See Collector.collect."""
        figures = [store.figures() for store in self._stores]
        total = dict(self._closed)
        for one in figures:
            for name, value in _counted(one).items():
                total[name] += value
        yield CounterMetricFamily(
            "safepoint_cache_hits", "Earlier documents found in memory.", total["cache_hits"]
        )
        yield CounterMetricFamily(
            "safepoint_cache_misses",
            "Earlier documents that had to be rebuilt.",
            total["cache_misses"],
        )
        yield GaugeMetricFamily(
            "safepoint_cache_bytes",
            "Size of the documents and records in memory.",
            sum(one.cache_bytes for one in figures),
        )
        yield GaugeMetricFamily(
            "safepoint_cache_limit_bytes",
            "What they may come to: SAFEPOINT_CACHE_BYTES, and the shares of open tenants.",
            sum(one.cache_limit for one in figures),
        )
        yield GaugeMetricFamily(
            "safepoint_behind_objects",
            "Summaries and pages that do not show the last commit of this process yet.",
            sum(one.behind for one in figures),
        )
        yield GaugeMetricFamily(
            "safepoint_checkpoint_lag_seconds",
            "For how long the oldest of them has not shown what was committed; 0 when all do.",
            max((one.lag.total_seconds() for one in figures), default=0.0),
        )
        yield CounterMetricFamily(
            "safepoint_behind_given_up",
            "Summaries and pages that could not be written after a commit, in three attempts.",
            total["given_up"],
        )
        yield CounterMetricFamily(
            "safepoint_store_repeats",
            "Requests sent to the object store again, as it refused or did not answer.",
            total["repeats"],
        )
        yield GaugeMetricFamily("safepoint_open_stores", "Stores open now.", len(figures))
        if self._open_approvals is not None:
            yield GaugeMetricFamily(
                "safepoint_open_approvals",
                "Questions to people that wait for an answer, in the stores that are open; missing "
                "while they cannot be read, and where no pages are written.",
                self._open_approvals,
            )


def _counted(figures: Figures) -> dict[str, int]:
    return {name: getattr(figures, name) for name in _COUNTED}
