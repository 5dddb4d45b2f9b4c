"""A workspace by the name that a person typed, and help when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from safepoint import Actor, NotFound, Run, Store
from safepoint.workspace import Workspace

__all__ = ["found_run", "found_workspace"]


@asynccontextmanager
async def found_workspace(
    store: Store, name: str, actor: Actor | None = None
) -> AsyncIterator[Workspace]:
    """The workspace, for the block; `NotFound` out of it names the closest names."""
    try:
        yield store.workspace(name, actor=actor)
    except NotFound as error:
        if error.code != "workspace_not_found":
            raise
        close = ", ".join(await store.closest_names(name))
        known = f"the closest names are: {close}" if close else "this store has none like it"
        raise NotFound(
            error.message, hint=f"{known}. `safepoint ls` lists them all.", code=error.code
        ) from None


async def found_run(workspace: Workspace, number: int) -> Run:
    """The run of this number. Raises NotFound."""
    runs = await workspace.runs()
    for one in runs:
        if one.run == number:
            return one
    raise NotFound(
        f"workspace {workspace.name!r} has no run {number}; its newest is {runs[0].run}",
        hint=f"`safepoint runs {workspace.name}` lists them.",
        code="run_not_found",
    )
