"""What is counted and timed of calls, commits, loads and requests to the object store.

No label holds what a client chooses: tools, verbs, outcomes and codes are words of this program.
"""

from __future__ import annotations

from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from safepoint.observer import Facts

__all__ = ["Calls", "Commits", "Loads", "Measures", "Requests"]

SECONDS: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0),
)
BYTES: Final = tuple(float(256 * 4**power) for power in range(10))


class Measures(Protocol):
    """One kind of operation."""

    def ended(self, name: str, outcome: str, facts: Facts, seconds: float) -> None:
        """An operation of this kind ended so; see Observer and `outcome_of`."""


class Calls:
    """See Measures. Calls of tools."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "safepoint_calls",
            "Calls, by how they ended: ok, asked (answered with a question to a person), "
            "refused (for the caller to mend), unavailable (the store could not be reached), "
            "unreadable (the data is damaged, or no key opens it), failed (a bug) or cancelled.",
            ["tool", "outcome"],
            registry=registry,
        )
        self._errors = Counter(
            "safepoint_errors",
            "Calls that ended in an error, by its code.",
            ["code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "safepoint_call_seconds",
            "From a call to its answer, in which a person may have been waited for.",
            ["tool"],
            buckets=SECONDS,
            registry=registry,
        )
        self._saved = Histogram(
            "safepoint_save_bytes",
            "Size of the state at each save_checkpoint, as JSON.",
            buckets=BYTES,
            registry=registry,
        )

    def ended(self, name: str, outcome: str, facts: Facts, seconds: float) -> None:
        tool = facts["tool"]
        self._calls.labels(tool, facts["outcome"]).inc()
        self._seconds.labels(tool).observe(seconds)
        if "code" in facts:
            self._errors.labels(facts["code"]).inc()
        if "saved" in facts:
            self._saved.observe(int(facts["saved"]))


class Commits:
    """See Measures. Commits to workspaces."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._commits = Counter(
            "safepoint_commits",
            "Commits, by how they ended: ok, unchanged (there was nothing to change) or the code "
            "of the error.",
            ["outcome"],
            registry=registry,
        )
        self._conflicts = Counter(
            "safepoint_commit_conflicts",
            "Attempts that lost their version to another writer and were made again.",
            registry=registry,
        )
        self._seconds = Histogram(
            "safepoint_commit_seconds",
            "From a change to its being durable, waiting for earlier changes of this process to "
            "the workspace included.",
            buckets=SECONDS,
            registry=registry,
        )
        self._bytes = Histogram(
            "safepoint_commit_bytes",
            "Stored size of each commit, as a difference, compressed and sealed.",
            buckets=BYTES,
            registry=registry,
        )
        self._last = Gauge(
            "safepoint_last_commit_timestamp_seconds",
            "When this process last committed, or was started, in seconds since 1970.",
            registry=registry,
        )
        self._last.set_to_current_time()

    def ended(self, name: str, outcome: str, facts: Facts, seconds: float) -> None:
        self._commits.labels(outcome).inc()
        if facts["conflicts"]:
            self._conflicts.inc(int(facts["conflicts"]))
        if outcome == "ok":
            self._seconds.observe(seconds)
            self._bytes.observe(int(facts["bytes"]))
            self._last.set_to_current_time()


class Loads:
    """See Measures. Looks at the newest version of workspaces."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._loads = Counter(
            "safepoint_loads",
            "Reads of the newest version of workspaces, by how they ended: ok or the code of the "
            "error.",
            ["outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "safepoint_load_seconds",
            "How long such a read took.",
            buckets=SECONDS,
            registry=registry,
        )

    def ended(self, name: str, outcome: str, facts: Facts, seconds: float) -> None:
        self._loads.labels(outcome).inc()
        if outcome == "ok":
            self._seconds.observe(seconds)


class Requests:
    """See Measures. Operations of the object store."""

    _READ: Final = ("get", "get_stream")

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "safepoint_store_requests",
            "Operations of the object store, by verb, and by how they ended: ok, exists (a put "
            "that another writer had come before), absent (a get of nothing) or the code of the "
            "error.",
            ["verb", "outcome"],
            registry=registry,
        )
        self._seconds = Histogram(
            "safepoint_store_request_seconds",
            "How long an operation of the object store took, however it ended; of a stream from "
            "its first to its last byte.",
            ["verb"],
            buckets=SECONDS,
            registry=registry,
        )
        self._bytes = Counter(
            "safepoint_store_bytes",
            "Bytes of objects that were read and written.",
            ["direction"],
            registry=registry,
        )

    def ended(self, name: str, outcome: str, facts: Facts, seconds: float) -> None:
        self._requests.labels(name, outcome).inc()
        self._seconds.labels(name).observe(seconds)
        if "bytes" in facts and outcome == "ok":
            direction = "read" if name in self._READ else "written"
            self._bytes.labels(direction).inc(int(facts["bytes"]))
