"""A workspace by the name that a person typed, and help when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from safepoint import NotFound, Store
from safepoint.workspace import Workspace

__all__ = ["found_workspace"]


@asynccontextmanager
async def found_workspace(store: Store, name: str) -> AsyncIterator[Workspace]:
    """The workspace, for reading in the block; `NotFound` out of it names the closest names."""
    try:
        yield store.workspace(name)
    except NotFound as error:
        if error.code != "workspace_not_found":
            raise
        close = ", ".join(await store.closest_names(name))
        known = f"the closest names are: {close}" if close else "this store has none like it"
        raise NotFound(
            error.message, hint=f"{known}. `safepoint ls` lists them all.", code=error.code
        ) from None
