"""A workspace: what an agent saves, loads, plans, starts and marks, at any store."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from safepoint.approvals import Approvals
from safepoint.artifacts import Artifacts
from safepoint.brief import brief_of
from safepoint.errors import Conflict, InvalidInput, NotFound
from safepoint.format.jsontext import decode_json
from safepoint.handle import Handle
from safepoint.history import History
from safepoint.listing import Listing
from safepoint.log.log import off_loop
from safepoint.log.progress import next_step
from safepoint.log.transitions import Mark, PlanSteps, Save, Start
from safepoint.log.transitions.base import when
from safepoint.model import (
    JSON,
    UNSET,
    Checkpoint,
    CheckpointInfo,
    Comparison,
    Event,
    Forked,
    Marked,
    NewRun,
    OnBytes,
    Page,
    Plan,
    PlannedStep,
    Reference,
    RepairReport,
    Rewound,
    Run,
    Saved,
    Started,
    Step,
    Unset,
    VerifyReport,
)
from safepoint.references import entries_of, references_of

if TYPE_CHECKING:
    from safepoint.integrations.durable import Durable
    from safepoint.retention import WorkspaceRetention
    from safepoint.verify import OnProgress

__all__ = ["Workspace"]


class Workspace:
    """One durable task. Made by `Store.workspace`; holds no state of its own, so any number may
    exist for one name, here and in other processes.

    Every change is one atomic commit, durable when the call returns. Every read is of a version no
    older than the call. All methods raise `Unavailable` when the store cannot be reached,
    `Damaged` when what is there is not what was written, and `InvalidInput` for a wrong argument.
    """

    def __init__(self, handle: Handle) -> None:
        self.name = handle.name
        self.handle = handle  # for this library's modules that build on workspaces
        self._log = handle.log
        self._listing = Listing(handle.name, handle.log)
        self._history = History(handle)

    @property
    def artifacts(self) -> Artifacts:
        """Its files."""
        return Artifacts(self.handle)

    @property
    def approvals(self) -> Approvals:
        """Questions to people, and their answers."""
        return Approvals(self.handle)

    @property
    def retention(self) -> WorkspaceRetention:
        """Which of its versions are kept."""
        from safepoint.retention import WorkspaceRetention  # as below

        return WorkspaceRetention(self.handle)

    @property
    def durable(self) -> Durable:
        """A program whose steps are done once however often it is killed and started again:
        `async with workspace.durable() as run: page = await run.step("fetch", fetch, url)`."""
        from safepoint.integrations.durable import Durable  # only where it is used

        return Durable(self, self.handle)

    async def save(
        self,
        state: JSON | Unset = UNSET,
        *,
        patch: JSON | Unset = UNSET,
        label: str | None = None,
        summary: str | None = None,
        next_action: str | None = None,
        kind: str = "step",
        step: str | None = None,
        expected_version: int | None = None,
        request_id: str | None = None,
        references: Iterable[Reference] | None = None,
    ) -> Saved:
        """Save a checkpoint: of `state`, of the present state changed by an RFC 7396 merge
        `patch`, or, with neither, of the present state as it is.

        `summary`, `next_action` and `references` stay until replaced; empty ones clear them. With
        `expected_version` the save happens only if that is the newest version (0: only if the
        workspace does not exist). With `request_id` it happens at most once, however often it is
        repeated; the last 256 such saves are remembered.

        Raises:
            Conflict: `version_conflict` (tells what changed since) or `request_reused`.
            LimitExceeded: the state or a text is too large.
        """
        change = await self.handle.change(state, patch)
        command = Save(
            change, label, summary, next_action, kind, step, expected_version, request_id,
            entries_of(references, self.handle.limits),
        )  # fmt: skip
        try:
            done = await self.handle.commit(command, size=change.size)
        except Conflict as conflict:
            if conflict.code != "version_conflict" or expected_version is None:
                raise
            raise await self._listing.explain(conflict, expected_version) from None
        entry, stored = done.reply.entry, done.stored_bytes
        if done.reply.repeated:
            with contextlib.suppress(NotFound):  # pruned since
                _, stored = await self._log.record(entry.version)
        return Saved(
            workspace=self.name,
            version=entry.version,
            run=entry.run,
            saved_at=when(entry.at_ms),
            label=entry.label,
            state_bytes=entry.size,
            stored_bytes=stored,
            sha256=entry.sha256,
            repeated=done.reply.repeated,
        )

    async def load(self, *, version: int | None = None, label: str | None = None) -> Checkpoint:
        """The workspace as it is, as it was at `version`, or at the newest checkpoint `label`.

        Raises:
            NotFound: `workspace_not_found`, `version_not_found`, `label_not_found` or `pruned`.
        """
        if version is not None and label is not None:
            raise InvalidInput("version and label exclude each other", hint="Give one of them.")
        head = await self.handle.existing()
        if label is not None:
            version = await self._listing.version_of_label(head.document, label)
        document = head.document
        if version is not None:
            document = await self._log.document(version, document)
        now_ms = self.handle.now_ms()
        brief = brief_of(self.name, document, now_ms=now_ms, head_version=head.version)
        state = document.state
        return Checkpoint(
            version=document.version,
            brief=brief,
            state=None if state is None else await off_loop(len(state), decode_json, state),
            state_json=state or b"",
            sha256=document.state_sha256,
            references=references_of(document.references),
        )

    async def checkpoints(
        self, *, limit: int = 20, cursor: str | None = None
    ) -> Page[CheckpointInfo]:
        """The checkpoints, newest first, all the way back. Raises NotFound."""
        head = await self.handle.existing()
        return await self._listing.checkpoints(head.document, limit=limit, cursor=cursor)

    async def history(self, *, limit: int = 20, cursor: str | None = None) -> Page[Event]:
        """Every commit, newest first: one object is read for each. Raises NotFound."""
        head = await self.handle.existing()
        return await self._listing.history(head.document, limit=limit, cursor=cursor)

    async def plan_steps(
        self, steps: Iterable[PlannedStep | str], *, goal: str | None = None
    ) -> Plan:
        """Declare steps, in order, and what each comes after; set the goal.

        Idempotent: known steps keep place, status and result, and get the new title and
        dependencies; new ones join at the end; none is removed (mark it skipped instead).
        Approvals that a step needs are only ever added.

        Raises:
            InvalidInput: `unknown_step`, `circular_plan`, `bad_name`, `bad_time`.
            LimitExceeded: too many steps.
        """
        planned = tuple(PlannedStep(s) if isinstance(s, str) else s for s in steps)
        done = await self.handle.commit(PlanSteps(planned, goal))
        document = done.head.document
        added, kept = done.reply
        return Plan(
            workspace=self.name,
            version=document.version,
            run=document.run,
            added=added,
            kept=kept,
            total=len(document.steps),
            next_step=next_step(document, self.handle.now_ms()),
        )

    async def start_step(
        self,
        step: str,
        *,
        input: JSON | Unset = UNSET,
        lease: timedelta = timedelta(minutes=5),
        fencing_token: int | None = None,
    ) -> Started:
        """Ask to run a step. At most one caller at a time is told to; see `Started`.

        A step that was not planned is declared at the end of the plan. `input` is what the step
        works on (only its SHA-256 is kept): a later call with another one is refused. The holder
        renews its lease by passing its `fencing_token`. Safe to repeat: whoever lost the answer
        is told to wait until the lease ends, and then runs the next attempt.

        Raises:
            Conflict: `input_changed` or `stale_token`.
        """
        data = await self.handle.encoded(input)
        digest = None if data is None else hashlib.sha256(data).hexdigest()
        return (await self.handle.commit(Start(step, lease, digest, fencing_token))).reply

    async def mark_step_done(
        self,
        step: str,
        *,
        status: str = "done",
        result: JSON | Unset = UNSET,
        error: str | None = None,
        retryable: bool | None = None,
        retry_after: timedelta | None = None,
        fencing_token: int | None = None,
        state: JSON | Unset = UNSET,
        patch: JSON | Unset = UNSET,
        summary: str | None = None,
    ) -> Marked:
        """Record that a step is `done`, `failed` or `skipped`, and, in the same commit, the state.

        Once only: repeating it answers what was recorded. A failed step may be tried again unless
        `retryable` is False, not before `retry_after`. The token is needed while a lease runs.

        Raises:
            NotFound: `step_not_found`.
            Conflict: `already_recorded` (with other contents), `stale_token`, `token_required`.
            LimitExceeded: the result, state or a text is too large.
        """
        change = await self.handle.change(state, patch)
        data = await self.handle.encoded(result)
        command = Mark(
            step, status, data, error, retryable, retry_after, fencing_token, change, summary
        )
        return (await self.handle.commit(command, size=change.size)).reply

    async def steps(
        self, *, status: str | None = None, limit: int = 100, cursor: str | None = None
    ) -> Page[Step]:
        """The steps in plan order, all or those of one status. Raises NotFound."""
        document = (await self.handle.existing()).document
        return self._listing.steps(
            document, self.handle.now_ms(), status=status, limit=limit, cursor=cursor
        )

    async def step(self, name: str) -> Step:
        """One step. Raises NotFound, also `step_not_found`."""
        document = (await self.handle.existing()).document
        return self._listing.step(document, name, self.handle.now_ms())

    async def compare(
        self,
        a: int | str | None = None,
        b: int | str | None = None,
        *,
        limit: int = 100,
        value_chars: int = 200,
    ) -> Comparison:
        """What changed from `a` to `b`: versions, or labels of checkpoints.

        `b` is by default the newest version, `a` the newest checkpoint before `b`. At most `limit`
        changes of each kind are listed, values cut to `value_chars`; all are counted.

        Raises:
            NotFound: `version_not_found`, `label_not_found`, `pruned`.
        """
        return await self._history.compare(a, b, limit=limit, value_chars=value_chars)

    async def fork(
        self,
        new_name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        reason: str | None = None,
        progress: OnBytes | None = None,
    ) -> Forked:
        """Make a workspace of its own from this one as it was at `version` or `label`, or is now.

        It has its own keys and begins a run of its own; leases, approvals and versions stay behind.
        This one gets an entry that names the fork. Repeating the call completes what was stopped
        and answers the same. `progress` is told of the bytes of files that are copied.

        Raises:
            Conflict: `workspace_exists`: something else has this name; nothing was changed.
            NotFound: `version_not_found`, `label_not_found`, `pruned`.
        """
        return await self._history.fork(new_name, version, label, reason=reason, progress=progress)

    async def rewind(
        self,
        *,
        version: int | None = None,
        label: str | None = None,
        reason: str | None = None,
        expected_version: int | None = None,
        request_id: str | None = None,
        dry_run: bool = False,
    ) -> Rewound:
        """Add a version with the state, texts, steps and files of an older one.

        Nothing is rewritten: what lies between can still be loaded, and steps that had run since
        are told of when they are started again. Approvals stay as they are; fencing tokens given
        out before are refused from now on. Rewinding to how things are changes nothing.

        Raises:
            NotFound: `version_not_found`, `label_not_found`, `pruned`.
            Conflict: `version_conflict` (tells what changed since) or `request_reused`.
        """
        return await self._history.rewind(
            version, label, reason=reason, expected_version=expected_version,
            request_id=request_id, dry_run=dry_run,
        )  # fmt: skip

    async def start_new_run(
        self,
        *,
        carry: str | Sequence[str] = "state",
        state: JSON | Unset = UNSET,
        reason: str | None = None,
        run: int | None = None,
        even_if_running: bool = False,
    ) -> NewRun:
        """End the present run and begin the next with fresh steps and approvals.

        `carry` is "state" (all of it), "nothing" or a list of top-level keys; `state` gives another
        one. Goal, summary and next action go on. With `run` only that run is ended, once, however
        often the call is repeated. Earlier runs can still be loaded.

        Raises:
            Conflict: `steps_running` (unless `even_if_running`), `other_run`.
            InvalidInput: `unknown_key`.
        """
        change = await self.handle.change(state, UNSET)
        return await self._history.start_new_run(
            carry, change, reason=reason, run=run, even_if_running=even_if_running
        )

    async def runs(self) -> tuple[Run, ...]:
        """The runs, newest first. Raises NotFound."""
        return await self._history.runs()

    async def verify(
        self, *, deep: bool = False, on_progress: OnProgress | None = None
    ) -> VerifyReport:
        """Check everything that it consists of; nothing is changed. With `deep`, artifacts are read
        to their ends. Writers may go on meanwhile. Raises NotFound."""
        from safepoint.verify import verify_workspace  # few processes do, and all would start later

        return await verify_workspace(self.handle, deep=deep, on_progress=on_progress)

    async def repair(
        self, *, dry_run: bool = False, on_progress: OnProgress | None = None
    ) -> RepairReport:
        """Set aside what is damaged, and restore the newest intact version if later ones are lost.

        Nothing is deleted, and repeating it is harmless. Steps that may have run in lost versions
        say so when they are started, and approvals for a single use have to be asked for again.

        Raises:
            NotFound: there is no such workspace.
            Damaged: `nothing_intact`.
        """
        from safepoint.verify import repair_workspace  # as above

        return await repair_workspace(self.handle, dry_run=dry_run, on_progress=on_progress)
