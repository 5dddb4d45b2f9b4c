"""Pruning one workspace: what its policy takes is found, committed as gone, and then removed.

The commit of the new floor comes first: from then on nobody reads what is below it. Objects are
removed after it, found by listing, so that a prune that was stopped anywhere is finished by the
next one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta

from safepoint.errors import Damaged, InvalidInput, NotFound
from safepoint.filing.sweep import sweep_artifacts, sweep_uploads
from safepoint.format.document import Document
from safepoint.format.keys import log_folder, log_key, version_of
from safepoint.format.versions import Versions, with_kept
from safepoint.listing import Listing
from safepoint.log.commit import Committer
from safepoint.log.keeping import SAFE_AGE, Keeping, lasts, needed, removable_below
from safepoint.log.log import Log, off_loop
from safepoint.log.transitions.retention import Prune, check_policy
from safepoint.model import Actor, Pruned, RetentionPolicy
from safepoint.values import dataclass

__all__ = ["OnProgress", "Pruning"]

OnProgress = Callable[[int, int], None]
"""Called with the objects that are removed and those that are to be."""

_AT_ONCE = 16
_PAGE = 1000
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Objects:
    """Keys of records that can go now, and how many pruned ones have to wait."""

    keys: list[str]
    waiting: int


@dataclass(frozen=True, slots=True)
class Pruning:
    """Prunes one workspace in the name of `actor`. `now_ms` is the time by the store's clock."""

    log: Log
    committer: Committer
    actor: Actor
    now_ms: Callable[[], int]

    async def plan(self, policy: RetentionPolicy) -> Pruned:
        """What `prune` would do now; nothing is changed. Raises what `prune` raises."""
        head = await self._existing()
        command = await self._command(head, policy)
        keeping = command.keeping(head)
        after = with_kept(head.changed(floor=keeping.floor), keeping.kept)
        return self._report(policy, head, keeping, await self._removable(after), dry_run=True)

    async def prune(
        self, policy: RetentionPolicy, *, on_progress: OnProgress | None = None
    ) -> Pruned:
        """Prune by this policy, once. Repeating it finishes what was stopped, and is harmless.

        Raises:
            NotFound: `workspace_not_found`.
            InvalidInput: `bad_policy`.
            Unavailable: it may be half done; repeat it.
        """
        command = await self._command(await self._existing(), policy)
        done = await self.committer.commit(command, self.actor)
        head = done.head.document
        objects = await self._removable(head)
        await self._remove(objects.keys, on_progress or (lambda done, total: None))
        swept = await sweep_artifacts(self.log)
        return self._report(policy, head, done.reply, objects, dry_run=False, swept=swept)

    async def prune_some(self, policy: RetentionPolicy, *, at_least: int, most: int) -> None:
        """The same, only if `at_least` versions go, and at most `most` objects of those that can
        be removed, newest first. What is left is found by the next call."""
        head = await self._existing()
        files = bool(head.artifacts)
        if not policy.keeps_everything:
            command = await self._command(head, policy, at_least=at_least)
            if command.floor > head.floor:
                head = (await self.committer.commit(command, self.actor)).head.document
        objects = await self._removable(head, most=most)
        await self._remove(objects.keys, lambda done, total: None)
        if files:
            await sweep_artifacts(self.log)
            await sweep_uploads(self.log)

    async def _existing(self) -> Document:
        head = (await self.log.durable_head()).document
        if not head.exists:
            raise NotFound(
                f"there is no workspace {self.log.name!r} in this store",
                hint="`safepoint ls` lists them.",
                code="workspace_not_found",
            )
        return head

    async def _command(
        self, head: Document, policy: RetentionPolicy, *, at_least: int = 1
    ) -> Prune:
        """The command for the newest version; one that changes nothing if too little would go."""
        check_policy(policy)
        low = max(self.log.first, head.floor)
        since_ms: int | None = None
        floors: list[int] = []
        if policy.keep_within is not None:
            since_ms = self.now_ms() - policy.keep_within // _MS
            first = await self._first_after(since_ms, low, head, missing_ms=self.now_ms())
            floors.append(min(head.version, first))
        if policy.keep_last is not None:
            floors.append(await self._oldest_of(policy.keep_last, low, head))
        floor = min(floors, default=low)
        lasting: list[int] = []
        if floor - low >= at_least:
            async for entry in self._listing.entries(head, floor):
                if entry.version < low:
                    break
                if lasts(entry):
                    lasting.append(entry.version)
        else:
            floor = low
        return Prune(
            floor=floor,
            lasting=Versions.of(lasting),
            policy=str(policy),
            since_ms=since_ms,
            first=self.log.first,
            at_least=at_least,
        )

    @property
    def _listing(self) -> Listing:
        return Listing(self.log.name, self.log)

    async def _oldest_of(self, count: int, low: int, head: Document) -> int:
        """The version of the checkpoint that is number `count` from the newest; `low` if there are
        fewer since then."""
        async for entry in self._listing.entries(head, head.version + 1):
            count -= 1
            if entry.version < low:
                break
            if count == 0:
                return entry.version
        return low

    async def _first_after(
        self, since_ms: int, low: int, head: Document, *, missing_ms: int = 0
    ) -> int:
        """The first version from `low` on that was committed after `since_ms`, or the one after
        the head. Times ascend but for clocks that differ. `missing_ms` is taken for the time of a
        record that is not there: what pruning removed was old, what is lost may not be."""
        if head.updated_ms <= since_ms:
            return head.version + 1
        high = head.version
        while low < high:
            middle = (low + high) // 2
            if await self._time_of(middle, missing_ms) <= since_ms:
                low = middle + 1
            else:
                high = middle
        return low

    async def _time_of(self, version: int, missing_ms: int) -> int:
        """When a version was committed."""
        data = await self.log.shared.objects.get(log_key(self.log.name, version))
        codec = self.log.codec
        if data is None or codec is None:
            return missing_ms
        try:
            return (await off_loop(len(data), codec.open, version, data)).at_ms
        except Damaged:
            return self.now_ms()  # nothing is taken for old because nobody can tell

    async def _removable(self, head: Document, *, most: int | None = None) -> _Objects:
        """The records that no version needs, newest first. With `most` the waiting ones are not
        counted, so that only what may go is listed."""
        codec = self.log.codec
        if codec is None or head.floor <= self.log.first:
            return _Objects([], 0)
        since_ms = self.now_ms() - SAFE_AGE // _MS
        young = await self._first_after(since_ms, self.log.first, head)
        below = removable_below(head, young=young)
        need = needed(head, codec.chain, self.log.first)
        found: list[str] = []
        waiting = 0
        folder = log_folder(self.log.name)
        after = log_key(self.log.name, max(1, below if most is not None else head.floor))
        while keys := await self.log.shared.objects.list(folder, after=after, limit=_PAGE):
            for key in keys:
                with contextlib.suppress(InvalidInput):
                    version = version_of(key)
                    if version in need:
                        continue
                    if version < below:
                        found.append(key)
                    else:
                        waiting += 1
            if most is not None and len(found) >= most:
                return _Objects(found[:most], 0)
            after = keys[-1]
        return _Objects(found, waiting)

    async def _remove(self, keys: list[str], told: OnProgress) -> None:
        told(0, len(keys))
        for first in range(0, len(keys), _AT_ONCE):
            some = keys[first : first + _AT_ONCE]
            await asyncio.gather(*(self.log.shared.objects.delete(key) for key in some))
            told(first + len(some), len(keys))

    def _report(
        self,
        policy: RetentionPolicy,
        head: Document,
        keeping: Keeping,
        objects: _Objects,
        *,
        dry_run: bool,
        swept: int = 0,
    ) -> Pruned:
        return Pruned(
            workspace=self.log.name,
            version=head.version,
            policy=str(policy),
            dry_run=dry_run,
            versions=len(keeping.gone),
            ranges=keeping.gone.ranges,
            floor=keeping.floor,
            kept=len(keeping.kept.all),
            removed=len(objects.keys) + swept,
            waiting=objects.waiting,
            revisions=keeping.dropped,
        )
