"""Retention: what a workspace or a store keeps, and taking the rest."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable

from safepoint.errors import Damaged, NotFound, Unsupported
from safepoint.filing.sweep import sweep_uploads
from safepoint.format.document import Document
from safepoint.format.versions import kept_of
from safepoint.handle import Handle
from safepoint.log.shared import Shared
from safepoint.log.transitions.base import when
from safepoint.log.transitions.retention import Pin, SetRetention, Unpin, policy_of
from safepoint.model import Pruned, Retention, RetentionPolicy
from safepoint.policy import read_policy, write_policy
from safepoint.pruning import OnProgress, Pruning

__all__ = ["StoreRetention", "WorkspaceRetention"]

EVERYTHING = RetentionPolicy()


class WorkspaceRetention:
    """What one workspace keeps: reached as `workspace.retention`.

    Its own policy counts, or else that of the store; without either everything is kept. Always
    kept are milestones, labelled and pinned checkpoints and the newest one, the newest version,
    what forks were made from, and where running steps and people's answers began.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def get(self) -> Retention:
        """The policies, pins, and what was pruned so far. Raises NotFound."""
        return await self._told((await self._handle.existing()).document)

    async def set(self, policy: RetentionPolicy | None) -> Retention:
        """Give the workspace a policy of its own, or with None leave it to the store's. Nothing
        is pruned by this alone. Raises NotFound, InvalidInput (`bad_policy`)."""
        done = await self._handle.commit(SetRetention(policy))
        return await self._told(done.head.document)

    async def pin(self, version: int) -> bool:
        """Keep a version whatever the policy says; whether it was not pinned before.

        Raises NotFound: `version_not_found`, or `pruned`: it is too late.
        """
        await self._handle.existing()
        return (await self._handle.commit(Pin(version, self._handle.log.first))).reply

    async def unpin(self, version: int) -> bool:
        """Leave a version to the policy again; whether it was pinned. Raises NotFound."""
        return (await self._handle.commit(Unpin(version))).reply

    async def plan(self, policy: RetentionPolicy | None = None) -> Pruned:
        """What `prune` would do now. Changes nothing. Raises NotFound."""
        return await self._pruning().plan(policy or await self._policy())

    async def prune(
        self, policy: RetentionPolicy | None = None, *, on_progress: OnProgress | None = None
    ) -> Pruned:
        """Take what the policy does not keep, for this once by `policy` if it is given.

        One commit records what is gone: from then on nobody reads it. Then objects that no kept
        version needs are removed, but for those of the newest two blocks (512 versions) and those
        younger than a day: a later prune takes them. Repeating it finishes what was stopped.

        Raises NotFound, InvalidInput (`bad_policy`), Unavailable.
        """
        return await self._pruning().prune(policy or await self._policy(), on_progress=on_progress)

    def _pruning(self) -> Pruning:
        handle = self._handle
        return Pruning(handle.log, handle.committer, handle.actor, handle.now_ms)

    async def _policy(self) -> RetentionPolicy:
        return (await self.get()).policy

    async def _told(self, document: Document) -> Retention:
        shared = self._handle.log.shared
        own = policy_of(document.retention)
        general = await read_policy(shared.objects, shared.keys)
        return Retention(
            policy=own or general or EVERYTHING,
            own=own,
            store=general,
            pins=document.pins,
            floor=document.floor,
            kept=len(kept_of(document).all),
            pruned_at=when(document.pruned_ms) if document.floor else None,
            pruned_by=document.pruned_by,
        )


class StoreRetention:
    """What workspaces keep that have no policy of their own: reached as `store.retention`."""

    def __init__(
        self,
        shared: Shared,
        names: Callable[[], AsyncIterable[str]],
        handle: Callable[[str], Handle],
    ) -> None:
        self._shared = shared
        self._names = names
        self._handle = handle

    async def get(self) -> RetentionPolicy | None:
        """The policy; None: everything is kept."""
        return await read_policy(self._shared.objects, self._shared.keys)

    async def set(self, policy: RetentionPolicy | None) -> None:
        """Replace the policy, or with None take it away. Nothing is pruned by this alone."""
        await write_policy(self._shared.objects, self._shared.keys, policy)

    async def prune(
        self,
        names: Iterable[str] | None = None,
        *,
        policy: RetentionPolicy | None = None,
        dry_run: bool = False,
        on_progress: OnProgress | None = None,
    ) -> tuple[Pruned, ...]:
        """Prune these workspaces, or all: see WorkspaceRetention.prune. With `dry_run` nothing is
        changed. `on_progress` is told of workspaces.

        One that is damaged is passed over, and told as its `error`; one of all that is deleted
        meanwhile is passed over.
        """
        chosen = [name async for name in self._names()] if names is None else list(names)
        told = on_progress or (lambda done, total: None)
        pruned: list[Pruned] = []
        for done, name in enumerate(chosen):
            told(done, len(chosen))
            workspace = WorkspaceRetention(self._handle(name))
            act = workspace.plan if dry_run else workspace.prune
            try:
                pruned.append(await act(policy))
            except NotFound:
                if names is not None:
                    raise
            except (Damaged, Unsupported) as error:
                pruned.append(_failed(name, policy, dry_run, error))
        told(len(chosen), len(chosen))
        if chosen and not dry_run:
            await sweep_uploads(self._handle(chosen[0]).log)
        return tuple(pruned)


def _failed(name: str, policy: RetentionPolicy | None, dry_run: bool, error: Exception) -> Pruned:
    return Pruned(
        workspace=name,
        version=0,
        policy=str(policy or ""),
        dry_run=dry_run,
        versions=0,
        ranges=(),
        floor=0,
        kept=0,
        removed=0,
        waiting=0,
        revisions=0,
        error=str(error),
    )
