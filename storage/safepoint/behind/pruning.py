"""Pruning behind commits: seldom, a little at a time, where there is a policy."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from safepoint._version import __version__
from safepoint.behind.schedule import Behind, Pace
from safepoint.format.keys import BLOCK, index_in_block
from safepoint.log.commit import Committer, Patience
from safepoint.log.log import Head, Log
from safepoint.log.shared import Shared
from safepoint.log.transitions.retention import policy_of
from safepoint.model import Actor, Limits, RetentionPolicy
from safepoint.policy import read_policy

__all__ = ["AutoPrune"]

ACTOR: Final = Actor("safepoint", version=__version__, transport="retention")
AT_LEAST: Final = BLOCK
AT_MOST: Final = 2 * BLOCK
"""Objects that one round removes: twice what comes in between two rounds."""


class AutoPrune:
    """Prunes a workspace each time that it begins a block (256 versions), if that takes a block's
    worth of versions. Nothing that it does delays or fails another commit."""

    def __init__(
        self, *, limits: Limits, clock: Callable[[], datetime], patience: Patience, pace: Pace
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._patience = patience
        self._behind = Behind(pace, "old versions could not be pruned")

    def committed(self, log: Log, head: Head) -> None:
        """Note that `head` is durable now. Returns at once."""
        if head.version > BLOCK and index_in_block(head.version) == 0 and head.exists:
            prune = partial(self._prune, log.name, log.shared, weakref.ref(log))
            self._behind.note(log.name, prune)

    async def close(self) -> None:
        """Do what is outstanding, for a few seconds at most."""
        await self._behind.close()

    async def _prune(self, name: str, shared: Shared, known: weakref.ref[Log]) -> None:
        log = known() or Log(name, shared)
        head = (await log.head()).document
        if not head.exists:
            return
        policy = policy_of(head.retention)
        if policy is None:
            policy = await read_policy(shared.objects, shared.keys) or RetentionPolicy()
        if policy.keeps_everything and not head.floor:
            return
        from safepoint.pruning import Pruning  # most stores keep everything

        committer = Committer(log, limits=self._limits, clock=self._clock, patience=self._patience)
        pruning = Pruning(log, committer, ACTOR, self._now_ms)
        await pruning.prune_some(policy, at_least=AT_LEAST, most=AT_MOST)

    def _now_ms(self) -> int:
        return int(self._clock().timestamp() * 1000)
