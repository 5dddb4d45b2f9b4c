"""Safepoint as a library, on local disk."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from bench.states import Change
from safepoint import Store, Workspace

__all__ = ["Library", "open_store"]


async def open_store(leaving: AsyncExitStack, folder: Path) -> Store:
    """The store in this folder, with a key and a memory of its own beside it."""
    beside = folder.with_name(f"{folder.name}-key")
    beside.mkdir(exist_ok=True)
    store = Store.open(folder, key_file=beside / "key", seen=beside / "seen")
    return await leaving.enter_async_context(store)


class Library:
    """`Workspace.save` with the whole state, everything at its defaults."""

    name = "Safepoint"
    _leaving: AsyncExitStack
    _workspace: Workspace

    async def open(self, folder: Path) -> None:
        self._leaving = AsyncExitStack()
        self._workspace = (await open_store(self._leaving, folder)).workspace("bench")

    async def save(self, change: Change) -> None:
        await self._workspace.save(change.state)

    async def load(self) -> bool:
        return bool((await self._workspace.load()).state)

    async def close(self) -> None:
        await self._leaving.aclose()
