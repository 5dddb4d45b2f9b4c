"""A store as one caller sees it: workspaces that are not theirs are as if they were not there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

from safepoint import Actor, Approval, InvalidInput, Page, Store, Workspace, WorkspaceInfo
from safepoint.log.transitions.base import no_workspace
from safepoint.watching import Watch
from safepoint_server.names import show_name
from safepoint_server.patterns import Patterns

__all__ = ["VisibleStore"]


class VisibleStore:
    """What tools, resources, prompts and completions use of a store."""

    def __init__(self, store: Store, patterns: Patterns | None = None) -> None:
        self._store = store
        self._patterns = patterns or Patterns()

    def covers(self, name: str) -> bool:
        """Whether the caller may see, and begin, a workspace of this name."""
        return self._patterns.cover(name)

    def check_inside(self, name: str) -> None:
        """Raises InvalidInput for a name that the caller may not write to, whether it exists or
        not."""
        if not self.covers(name):
            shown = ", ".join(show_name(pattern) for pattern in self._patterns.patterns[:3])
            raise InvalidInput(
                f"The token of this call is not for a workspace named {show_name(name)}",
                hint=f"Use a name that matches {shown} (* stands for anything), or tell the user "
                "to ask the operator of this server for another token.",
                code="workspace_not_allowed",
            )

    def workspace(self, name: str, *, actor: Actor | None = None) -> Workspace:
        """See Store.workspace. Raises NotFound for one outside, as reading one does that is not
        there."""
        if not self.covers(name):
            raise no_workspace(name)
        return self._store.workspace(name, actor=actor)

    async def workspaces(
        self,
        prefix: str = "",
        *,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[WorkspaceInfo]:
        """See Store.workspaces."""
        return await self._store.workspaces(
            prefix, status=status, limit=limit, cursor=cursor, visible=self._visible
        )

    async def recent(self, *, limit: int = 50, cursor: str | None = None) -> Page[WorkspaceInfo]:
        """See Store.recent."""
        return await self._store.recent(limit=limit, cursor=cursor, visible=self._visible)

    async def recent_names(self) -> tuple[str, ...]:
        """See Store.recent_names."""
        return tuple(filter(self.covers, await self._store.recent_names()))

    def watch(self, interval: timedelta) -> Watch:
        """See Store.watch."""
        return self._store.watch(interval, visible=self._visible)

    async def inbox(self, *, limit: int = 50, cursor: str | None = None) -> Page[Approval]:
        """See Store.inbox."""
        return await self._store.inbox(limit=limit, cursor=cursor, visible=self._visible)

    async def names(self) -> AsyncIterator[str]:
        """See Store.names."""
        async for name in self._store.names():
            if self.covers(name):
                yield name

    async def closest_names(self, name: str, limit: int = 3) -> tuple[str, ...]:
        """See Store.closest_names."""
        return await self._store.closest_names(name, limit, visible=self._visible)

    @property
    def _visible(self) -> Callable[[str], bool] | None:
        return None if self._patterns.everything else self._patterns.cover
