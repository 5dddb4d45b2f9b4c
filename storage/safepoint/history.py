"""Going back and on in one workspace: compare versions, fork, rewind, begin a new run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from safepoint.errors import (
    Conflict,
    Damaged,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    SafepointError,
)
from safepoint.filing.batch import Meter
from safepoint.filing.files import Filing
from safepoint.filing.resealed import Resealing
from safepoint.format.document import Document
from safepoint.format.entries import ArtifactEntry
from safepoint.handle import Handle, check_name
from safepoint.listing import Listing
from safepoint.log.log import off_loop
from safepoint.log.progress import FINISHED
from safepoint.log.transitions import BeginFork, RecordFork, Rewind, StartNewRun
from safepoint.log.transitions.artifact import as_at
from safepoint.log.transitions.base import Context, StateChange, when
from safepoint.log.transitions.fork import check_fork_of
from safepoint.log.transitions.rewind import recorded
from safepoint.log.transitions.runs import KEPT_RUNS
from safepoint.log.transitions.stepback import effects, in_doubt, steps_back
from safepoint.model import Comparison, Forked, NewRun, OnBytes, Rewound, Run

__all__ = ["History"]

CARRY_ALL, CARRY_NOTHING = "state", "nothing"


class History:
    """See the methods of Workspace."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._listing = Listing(handle.name, handle.log)

    async def compare(
        self, a: int | str | None, b: int | str | None, *, limit: int, value_chars: int
    ) -> Comparison:
        if limit < 1 or value_chars < 10:
            raise InvalidInput("limit must be at least 1 and value_chars at least 10", hint="")
        from safepoint.compare import compare_documents  # starting up has no time for it

        head = (await self._handle.existing()).document
        new = head if b is None else await self._document(head, b)
        old = await self._document(head, await self._before(head, new) if a is None else a)
        size = len(old.state or b"") + len(new.state or b"")
        return await off_loop(
            size,
            compare_documents,
            self._handle.name,
            old,
            new,
            limit=limit,
            value_chars=value_chars,
        )

    async def rewind(
        self,
        version: int | None,
        label: str | None,
        *,
        reason: str | None,
        expected_version: int | None,
        request_id: str | None,
        dry_run: bool,
    ) -> Rewound:
        head = await self._handle.existing()
        target = _target(version, label)
        if isinstance(target, str):
            target = await self._listing.version_of_label(head.document, target)
        try:
            old = await self._document(head.document, target)
        except NotFound as gone:
            context = self._context(head.version)
            done = recorded(head.document, context, request_id, target, reason)
            if gone.code != "pruned" or done is None:
                raise
            return done
        command = Rewind(old, reason, expected_version, request_id)
        size = _size(old)
        try:
            if dry_run:
                outcome = await off_loop(size, command, head.document, self._context(head.version))
                return outcome.reply
            return (await self._handle.commit(command, size=size)).reply
        except Conflict as conflict:
            if conflict.code != "version_conflict" or expected_version is None:
                raise
            raise await self._listing.explain(conflict, expected_version) from None

    async def start_new_run(
        self,
        carry: str | Sequence[str],
        change: StateChange,
        *,
        reason: str | None,
        run: int | None,
        even_if_running: bool,
    ) -> NewRun:
        await self._handle.existing()
        if change.given and carry != CARRY_ALL:
            raise InvalidInput("state and carry exclude each other", hint="Give one of them.")
        command = StartNewRun(_carried(carry), change, reason, run, even_if_running)
        return (await self._handle.commit(command, size=change.size)).reply

    async def runs(self) -> tuple[Run, ...]:
        document = (await self._handle.existing()).document
        now = document.steps.values()
        found = [
            Run(
                document.run,
                document.run_first,
                document.version,
                when(document.run_ms or document.created_ms),
                None,
                len(now),
                sum(entry.status in FINISHED for entry in now),
            )
        ]
        earlier = document.runs
        oldest = 1 if len(earlier) == KEPT_RUNS else 0  # where it began is not known any more
        for at in range(len(earlier) - 1, oldest - 1, -1):
            entry = earlier[at]
            found.append(
                Run(
                    entry.run,
                    earlier[at - 1].last_version + 1 if at else _first(self._handle),
                    entry.last_version,
                    when(entry.started_ms),
                    when(entry.ended_ms),
                    entry.steps,
                    entry.done,
                    entry.reason,
                )
            )
        return tuple(found)

    async def fork(
        self,
        new_name: str,
        version: int | None,
        label: str | None,
        *,
        reason: str | None,
        progress: OnBytes | None,
    ) -> Forked:
        handle = self._handle
        check_name(new_name, handle.limits.name_chars)
        if new_name == handle.name:
            raise InvalidInput(
                "a workspace cannot be forked under its own name",
                hint="Choose another name, or rewind it.",
                code="bad_name",
            )
        asked = None if version is None and label is None else _target(version, label)
        head = (await handle.existing()).document
        target = handle.other(new_name)
        there = await target.log.durable_head()
        if there.exists:
            return await self._forked_before(target, there.document, head, asked, reason)
        old = head if asked is None else await self._document(head, asked)
        files = await self._copy_files(old, target, progress)
        begin = BeginFork(
            handle.name, old, head, files=files.new if files else (), base=there.version,
            reason=reason, any_version=asked is None,
        )  # fmt: skip
        fork, repeated = await _begun(target, begin, files)
        if repeated:
            asked = None if asked is None else old.version
            return await self._forked_before(target, fork, head, asked, reason)
        at_ms = fork.origin.at_ms if fork.origin is not None else 0
        await handle.commit(RecordFork(new_name, old.version, at_ms, reason, head.created_ms))
        return await self._forked(target, fork, old, head, repeated=False)

    async def _forked_before(
        self, target: Handle, fork: Document, head: Document, asked: int | str | None,
        reason: str | None,
    ) -> Forked:  # fmt: skip
        """What the call that made the fork answered. That the origin still has the version is not
        needed: the fork's own first one tells, or where that is gone too, its newest.

        Raises:
            Conflict: it is not a fork of that version of this workspace.
        """
        handle = self._handle
        if isinstance(asked, str):
            asked = await self._listing.version_of_label(head, asked)
        origin = check_fork_of(
            fork, target.name, origin=handle.name, version=asked, first=_first(handle)
        )
        begun = fork
        with contextlib.suppress(NotFound, Damaged):
            begun = await target.log.document(_first(target), fork)
        await handle.commit(
            RecordFork(target.name, origin.version, origin.at_ms, reason, head.created_ms)
        )
        old = replace(begun, version=origin.version, run=origin.run)
        return await self._forked(target, begun, old, head, repeated=True)

    async def _copy_files(
        self, old: Document, target: Handle, progress: OnBytes | None
    ) -> Resealing | None:
        """The files of that version, sealed anew for the fork."""
        wanted = _files(old)
        if not wanted:
            return None
        filing = Filing(target)
        source = Filing(self._handle).existing_objects()
        copying = Resealing(source, await filing.objects(), filing)
        try:
            meter = Meter(sum(entry.size for entry in wanted.values()), progress)
            await copying.run(wanted, target.now_ms(), meter)
        except BaseException:
            await asyncio.shield(copying.discard())
            raise
        return copying

    async def _forked(
        self, target: Handle, fork: Document, old: Document, head: Document, *, repeated: bool
    ) -> Forked:
        now_ms = self._handle.now_ms()
        since = head.steps if head.run == old.run else {}
        back = steps_back(old.steps, since, version=1, now_ms=now_ms)
        doubtful = dict.fromkeys((*in_doubt(old), *back.touched))
        before = head if head.run == old.run else old
        names = [name for name in doubtful if name in before.steps]
        return Forked(
            workspace=target.name,
            version=_first(target),
            origin=self._handle.name,
            origin_version=old.version,
            origin_run=old.run,
            state_bytes=len(old.state or b""),
            artifacts=len(_files(fork)),
            done=sum(entry.status in FINISHED for entry in old.steps.values()),
            effects=effects(self._handle.name, before, names, fork.steps, now_ms),
            repeated=repeated,
        )

    async def _document(self, head: Document, target: int | str) -> Document:
        if isinstance(target, str):
            target = await self._listing.version_of_label(head, target)
        return await self._handle.log.document(target, head)

    async def _before(self, head: Document, new: Document) -> int:
        """The newest checkpoint before `new`."""
        page = await self._listing.checkpoints(head, limit=1, cursor=str(new.version))
        if not page.items:
            raise NotFound(
                f"there is no checkpoint before version {new.version} to compare with",
                hint="Name the version to compare with; `safepoint history` shows them all.",
                code="version_not_found",
            )
        return page.items[0].version

    def _context(self, version: int) -> Context:
        handle = self._handle
        return Context(handle.name, version + 1, handle.now_ms(), handle.actor, handle.limits)


async def _begun(
    target: Handle, begin: BeginFork, files: Resealing | None
) -> tuple[Document, bool]:
    """The fork as it is, and whether another call had begun it. Files that it did not take are
    removed."""
    try:
        done = await target.commit(begin, size=_size(begin.old))
    except OutcomeUnknown:
        raise
    except SafepointError:
        if files is not None:
            await files.discard()
        raise
    if done.reply is None and files is not None:
        await files.discard()
    return done.reply or done.head.document, done.reply is None


def _target(version: int | None, label: str | None) -> int | str:
    """Raises InvalidInput unless exactly one is given."""
    if version is not None and label is None:
        return version
    if label is not None and version is None:
        return label
    raise InvalidInput("one of version and label is needed, and only one", hint="Give one of them.")


def _carried(carry: str | Sequence[str]) -> tuple[str, ...] | None:
    if carry == CARRY_ALL:
        return None
    if carry == CARRY_NOTHING:
        return ()
    if isinstance(carry, str) or not all(isinstance(key, str) for key in carry):
        raise InvalidInput(
            "carry is 'state' (all of it), 'nothing', or a list of top-level keys",
            hint="Leave it out to carry the whole state on.",
        )
    return tuple(carry)


def _first(handle: Handle) -> int:
    """The workspace's first version."""
    keys = handle.log.keys
    return 1 if keys is None else keys.first


def _size(document: Document) -> int:
    return sum(map(len, document.regions.values()))


def _files(document: Document) -> Mapping[str, ArtifactEntry]:
    """The revisions current at that version, by name."""
    found = {name: as_at(table, document.version) for name, table in document.artifacts.items()}
    return {name: entry for name, entry in found.items() if entry is not None}
