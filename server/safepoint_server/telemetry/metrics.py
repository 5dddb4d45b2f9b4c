"""What `/metrics` tells, in the format of Prometheus. Loaded only where that is served."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from safepoint import Store
from safepoint._version import __version__
from safepoint.observer import Facts, outcome_of
from safepoint_server.telemetry.figures import StoreFigures
from safepoint_server.telemetry.measures import Calls, Commits, Loads, Measures, Requests

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

# Each counter would be shown once more, with the time when it began.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """See Observer. Of one process, for all stores that it has open together: tenants are no
    label. `patience`: see StoreFigures."""

    def __init__(self, patience: float = 2.0) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Requests(registry)
        self._kinds: dict[str, Measures] = {
            "call": Calls(registry),
            "commit": Commits(registry),
            "load": Loads(registry),
        }
        self._figures = StoreFigures(patience)
        registry.register(self._figures)
        ProcessCollector(registry=registry)
        build = Gauge("safepoint_build_info", "1, by version.", ["version"], registry=registry)
        build.labels(__version__).set(1)

    def operation(self, name: str, facts: Facts, /) -> AbstractContextManager[object]:
        """See Observer.operation."""
        return _Timed(self._kinds.get(name, self._requests), name, facts)

    def watching(self, store: Store) -> AbstractContextManager[None]:
        """See StoreFigures.watching."""
        return self._figures.watching(store)

    async def text(self) -> bytes:
        """All metrics now, as `CONTENT_TYPE`."""
        await self._figures.look()
        return generate_latest(self.registry)


class _Timed:
    __slots__ = ("_began", "_facts", "_measures", "_name")

    def __init__(self, measures: Measures, name: str, facts: Facts) -> None:
        self._measures = measures
        self._name = name
        self._facts = facts

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        seconds = time.perf_counter() - self._began
        self._measures.ended(self._name, outcome_of(self._facts, error), self._facts, seconds)
