"""The logs that an open store has in memory: one for a name while it is used, some for longer."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from safepoint.log.commit import Committer, Patience
from safepoint.log.log import Log, Shared
from safepoint.model import Limits

__all__ = ["OpenLog", "Registry"]

_MAX_KEPT = 256


class OpenLog:
    """A log and the one place in this process that commits to it."""

    __slots__ = ("__weakref__", "committer", "log")

    def __init__(self, log: Log, committer: Committer) -> None:
        self.log = log
        self.committer = committer


class Registry:
    """Keeps the most recently used logs: at most 256, and heads of at most `max_bytes`."""

    def __init__(
        self,
        shared: Shared,
        *,
        limits: Limits,
        clock: Callable[[], datetime],
        patience: Patience,
        max_bytes: int,
    ) -> None:
        self._shared = shared
        self._limits = limits
        self._clock = clock
        self._patience = patience
        self._max_bytes = max_bytes
        self._used: weakref.WeakValueDictionary[str, OpenLog] = weakref.WeakValueDictionary()
        self._kept: OrderedDict[str, OpenLog] = OrderedDict()

    def open(self, name: str) -> OpenLog:
        """The log of this name, to be kept in memory for a while."""
        opened = self._used.get(name)
        if opened is None:
            opened = self._used[name] = self._make(name)
        self._kept[name] = opened
        self._kept.move_to_end(name)
        weight = sum(kept.log.weight for kept in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > _MAX_KEPT or weight > self._max_bytes):
            _, dropped = self._kept.popitem(last=False)
            weight -= dropped.log.weight
        return opened

    def peek(self, name: str) -> OpenLog:
        """The log of this name, for one look: a passing reader does not displace what is kept."""
        return self._used.get(name) or self._make(name)

    def _make(self, name: str) -> OpenLog:
        log = Log(name, self._shared)
        committer = Committer(log, limits=self._limits, clock=self._clock, patience=self._patience)
        return OpenLog(log, committer)
