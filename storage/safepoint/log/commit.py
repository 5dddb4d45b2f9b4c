"""The commit loop: the one way in which a change of a workspace becomes durable.

Take the head, apply the command, seal, put if absent under the next version's key. That put is the
commit. On a conflict: read what came in between, apply the command again (it may answer
differently now), put again. A put whose outcome is unknown is settled by reading the key: the same
bytes there are ours (salt, nonce and commit id are random), other bytes are a conflict, nothing
there means that the same bytes are sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from safepoint.errors import (
    Damaged,
    LimitExceeded,
    OutcomeUnknown,
    SafepointError,
    Unavailable,
)
from safepoint.format.document import Document
from safepoint.format.keys import keys_key, log_key
from safepoint.log.codec import Codec, Sealed
from safepoint.log.keys import new_manifest, open_manifest
from safepoint.log.log import Head, Log, off_loop
from safepoint.log.manifests import check_store_key
from safepoint.log.rewrap import rewrap_keys
from safepoint.log.shared import VIEW_SECONDS, awake_seconds
from safepoint.log.stalled import check_won
from safepoint.log.transitions.base import Command, Context, Outcome
from safepoint.model import Actor, Limits
from safepoint.observer import Facts, observed
from safepoint.values import dataclass

__all__ = ["Committed", "Committer", "Patience"]

R = TypeVar("R")

_YEAR_9000_MS = 221_845_392_000_000
NOT_DURABLE = "sync_failed"  # asking again after a failed fsync would not tell the truth


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a commit goes on against other writers, and against an unclear outcome.
    `timer` counts the seconds since a head was looked at."""

    contention: float = 60.0
    unknown: float = 20.0
    timer: Callable[[], float] = awake_seconds


@dataclass(frozen=True, slots=True)
class Committed(Generic[R]):
    """The reply, and the head it is true of. `stored_bytes` is 0 when nothing was committed."""

    reply: R
    head: Head
    stored_bytes: int
    conflicts: int


class Committer:
    """Commits to one log. Tasks of this process queue; other processes are met by conflict."""

    def __init__(
        self, log: Log, *, limits: Limits, clock: Callable[[], datetime], patience: Patience
    ) -> None:
        self._log = log
        self._limits = limits
        self._clock = clock
        self._patience = patience
        self._turn = asyncio.Lock()

    async def commit(self, command: Command[R], actor: Actor, *, size: int = 0) -> Committed[R]:
        """Apply `command` to the newest version and make the outcome durable.

        Atomic: all of the outcome or nothing. A refusal or a reply without a change is true of a
        version no older than this call. `size` is that of the command's own data in bytes.

        Raises:
            SafepointError: what the command raises; nothing was changed.
            Unavailable: nothing was committed.
            OutcomeUnknown: it may have been committed; `stalled`: it took so long that its number
                is not in the log any more.
        """
        facts: Facts = {"conflicts": 0}
        with observed(self._log.shared.observer, "commit", facts):
            done = await self._commit(command, actor, size, facts)
            facts["version"], facts["bytes"] = done.head.version, done.stored_bytes
            if not done.stored_bytes:
                facts["outcome"] = "unchanged"
        return done

    async def _commit(
        self, command: Command[R], actor: Actor, size: int, facts: Facts
    ) -> Committed[R]:
        async with self._turn:
            give_up = time.monotonic() + self._patience.contention
            recent = self._log.recent()
            fresh, head = recent is None, recent or await self._log.head()
            conflicts = 0
            while True:
                began = self._log.shared.timer()
                context = self._context(head, actor)
                try:
                    outcome = await off_loop(size + head.weight, command, head.document, context)
                except SafepointError:
                    outcome = None
                    if fresh:
                        raise
                if outcome is not None and outcome.document is not None:
                    try:
                        sealed = await self._seal(head, outcome, actor)
                    except LimitExceeded:
                        if fresh:
                            raise
                        head, fresh = await self._log.head(), True
                        continue
                    if await self._put(sealed, head, outcome.event or {}):
                        if self._log.shared.timer() - began > VIEW_SECONDS:
                            await check_won(self._log, head.version + 1)
                        done = self._done(sealed, outcome.document, began)
                        return Committed(outcome.reply, done, done.size, conflicts)
                    facts["conflicts"] = conflicts = conflicts + 1
                    if time.monotonic() > give_up:
                        raise Unavailable(
                            f"workspace {self._log.name!r} has too many writers: nothing was "
                            f"committed after {conflicts} attempts",
                            hint="Call again.",
                            code="contention",
                        )
                    await _back_off(conflicts)
                elif outcome is not None and fresh:
                    await self._log.make_durable(head)
                    return Committed(outcome.reply, head, 0, conflicts)
                head, fresh = await self._log.head(), True

    async def codec(self) -> Codec:
        """What seals for the workspace. One that does not exist gets its keys now.

        Raises what `Log.head` raises, and Unavailable when keys cannot be made.
        """
        async with self._turn:
            head = await self._log.head()
            if not head.exists:
                await self._make_keys(head)
        codec = self._log.codec
        assert codec is not None  # noqa: S101 - known with the head, or made above
        return codec

    def rehearse(self, head: Head, commands: Iterable[Command[Any]], actor: Actor) -> None:
        """Apply `commands` one after the other, beginning at `head`, and commit nothing.

        Raises what the first of them that is refused raises.
        """
        document = head.document
        for command in commands:
            context = replace(self._context(head, actor), version=document.version + 1)
            document = command(document, context).document or document

    def _context(self, head: Head, actor: Actor) -> Context:
        now_ms = int(self._clock().timestamp() * 1000)
        if not 0 < now_ms < _YEAR_9000_MS:
            raise Unavailable(
                "this machine's clock is not set to a year between 1970 and 9000",
                hint="Set the clock; nothing was committed.",
                code="bad_clock",
            )
        return Context(self._log.name, head.version + 1, now_ms, actor, self._limits)

    async def _seal(self, head: Head, outcome: Outcome[R], actor: Actor) -> Sealed:
        if not head.exists:
            await self._make_keys(head)
        codec, new = self._log.codec, outcome.document
        assert codec is not None  # noqa: S101 - made above
        assert new is not None  # noqa: S101 - the caller has checked
        base = codec.base(new.version)
        encoded_base = None if base is None else await self._log.encoded(base)
        return await off_loop(
            head.weight + sum(map(len, new.regions.values())),
            codec.seal,
            new,
            outcome.event or {},
            actor,
            previous=head.digest,
            base=encoded_base,
            limit=self._limits.document_bytes,
        )

    async def _make_keys(self, head: Head) -> None:
        """The manifest of a workspace that begins after `head`: ours, or that of whoever was
        first. What an earlier workspace of this name left is not opened by it.

        Raises WrongKey when the store key was changed: nothing may begin under the old one.
        """
        log, first = self._log, head.version + 1
        if head.version and (log.keys is None or log.keys.first != first):
            await log.reload_keys()
        if log.keys is None or log.keys.first != first or log.codec is None:
            await self._put_keys(first)
        if log.keys is not None and log.keys.store_key != log.shared.keys.number:
            # Begun under the previous store key, by a program that holds no other, and perhaps
            # after everything was wrapped anew.
            renewed = await rewrap_keys(log.shared, log.name, used=0, begun=head.version > 0)
            if renewed.keys is not None:
                log.use_keys(renewed.keys)
        # Ours stays also if it is refused: somebody may have begun with it before the change.
        await check_store_key(log.shared.objects, log.shared.keys)

    async def _put_keys(self, first: int, attempts: int = 5) -> None:
        """Use ours, or those of whoever was first."""
        log, shared = self._log, self._log.shared
        generation = log.generation + 1
        key = keys_key(log.name, generation)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        data, keys = new_manifest(
            shared.keys, log.name, at=at, random=shared.random, generation=generation, first=first
        )
        if not await self._settle(key, data):
            found = await shared.objects.get(key)
            if found is None:  # wrapped anew by another program, under the next number
                await log.reload_keys(begun=first > 1)
                if log.keys is not None and log.keys.first == first:
                    return
                if not attempts:
                    raise Unavailable(
                        f"the keys of workspace {log.name!r} vanished while it was made",
                        hint="Call again.",
                    )
                await self._put_keys(first, attempts - 1)
                return
            try:
                keys = open_manifest(shared.keys, log.name, generation, found)
            except Damaged as error:
                if error.code != "replaced_store_key":
                    raise
                log.generation = generation  # its program has to stop: it is passed over
                await self._put_keys(first)
                return
        log.use_keys(keys)
        if shared.keys.number:
            await log.reload_keys(
                begun=first > 1
            )  # ours may have come after another was wrapped anew

    async def _put(self, sealed: Sealed, head: Head, event: dict[str, Any]) -> bool:
        name = self._log.name
        before = log_key(name, head.version) if head.version else None
        await self._log.make_keys_durable(head)
        shown = self._log.shared.describe(head.version + 1, event)
        return await self._settle(sealed.key, sealed.data, before, shown)

    async def _settle(
        self,
        key: str,
        data: bytes,
        after: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> bool:
        """Put if absent, and find out what happened: True is ours, False another's.

        Raises OutcomeUnknown when that cannot be found out in time, Unavailable when nothing was
        stored.
        """
        objects = self._log.shared.objects
        give_up = time.monotonic() + self._patience.unknown
        unknown: OutcomeUnknown | None = None
        attempt = 0
        while True:
            try:
                if await objects.put(key, data, if_absent=True, after=after, metadata=metadata):
                    return True
                found = await objects.get(key)
                if found is not None:
                    return found == data
            except OutcomeUnknown as error:
                unknown = error
                with contextlib.suppress(Unavailable):
                    found = await objects.get(key)
                    if found is not None:
                        return found == data
            except Unavailable:
                if unknown is None:
                    raise
            late = time.monotonic() > give_up
            if unknown is None and late:
                raise Unavailable(f"{key} cannot be written: it comes and goes", hint="Call again.")
            if unknown is not None and (late or unknown.code == NOT_DURABLE):
                raise OutcomeUnknown(
                    f"{key} may or may not have been committed: {unknown.message}",
                    hint="Load the workspace to see, or repeat the call: with the same "
                    "request_id, step and contents it has no second effect.",
                    code=unknown.code,
                ) from unknown
            attempt += 1
            await _back_off(attempt)

    def _done(self, sealed: Sealed, document: Document, began: float) -> Head:
        log = self._log
        log.appended(sealed.record, sealed.encoded)
        log.shared.seen.note(log.name, document.version)
        digest, size = hashlib.sha256(sealed.data).digest(), len(sealed.data)
        head = Head(document, digest, size, len(sealed.encoded))
        log.note_durable(head)
        log.shared.committed(log, head)
        return log.remember(head, viewed=began)


async def _back_off(attempt: int) -> None:
    """Exponential with full jitter, at most a second: the first retry follows almost at once."""
    await asyncio.sleep(random.uniform(0, min(1.0, 0.002 * 2 ** min(attempt, 9))))  # noqa: S311
