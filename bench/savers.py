"""Savers of LangGraph: one step is what a graph makes of it, put_writes and then put."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack, closing
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.contender import Contender
from bench.library import open_store
from bench.states import Change

__all__ = ["AsyncSqlite", "SafepointSaver", "Sqlite", "Steps", "installed_savers"]

_THREAD = {"thread_id": "bench", "checkpoint_ns": ""}


def installed_savers() -> list[Callable[[], Contender]]:
    """Those whose packages are installed."""
    makers: list[tuple[str, Callable[[], Contender]]] = [
        ("langgraph.checkpoint.sqlite", Sqlite),
        ("langgraph.checkpoint.sqlite.aio", AsyncSqlite),
        ("safepoint.integrations.langgraph", SafepointSaver),
    ]
    return [maker for module, maker in makers if _is_installed(module)]


def _is_installed(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


class Steps:
    """The checkpoints that a graph would hand to its saver, one after the other."""

    def __init__(self) -> None:
        self._base: Any = import_module("langgraph.checkpoint.base")
        self._config: dict[str, Any] = {"configurable": dict(_THREAD)}
        self._count = 0

    def next(self, change: Change) -> tuple[dict[str, Any], Any, dict[str, Any], dict[str, Any]]:
        """Config of the checkpoint before, the new one, its metadata, its new versions."""
        self._count += 1
        version = f"{self._count:032}.0"
        checkpoint = self._base.empty_checkpoint()
        checkpoint["channel_values"] = {change.channel: change.state[change.channel]}
        checkpoint["channel_versions"] = {change.channel: version}
        metadata = {"source": "loop", "step": self._count - 1, "parents": {}}
        config, self._config = (
            self._config,
            {"configurable": {**_THREAD, "checkpoint_id": checkpoint["id"]}},
        )
        return config, checkpoint, metadata, {change.channel: version}

    @staticmethod
    def writes(change: Change) -> list[tuple[str, Any]]:
        return [(change.channel, change.written)]


class _Synchronous:
    """A saver used through its synchronous methods."""

    name: str
    _saver: Any

    def __init__(self) -> None:
        self._leaving = ExitStack()

    async def open(self, folder: Path) -> None:
        self._steps = Steps()
        self._saver = self._connect(folder)
        self._saver.setup()

    def _connect(self, folder: Path) -> Any:
        raise NotImplementedError

    async def save(self, change: Change) -> None:
        config, checkpoint, metadata, versions = self._steps.next(change)
        if "checkpoint_id" in config["configurable"]:
            self._saver.put_writes(config, self._steps.writes(change), "task")
        self._saver.put(config, checkpoint, metadata, versions)

    async def load(self) -> bool:
        return self._saver.get_tuple({"configurable": _THREAD}) is not None

    async def close(self) -> None:
        self._leaving.close()


class Sqlite(_Synchronous):
    """SqliteSaver, whose connections are WAL and, by SQLite's default, FULL."""

    name = "LangGraph SqliteSaver"

    def _connect(self, folder: Path) -> Any:
        path = folder / "checkpoints.db"
        db = self._leaving.enter_context(closing(sqlite3.connect(path, check_same_thread=False)))
        return import_module("langgraph.checkpoint.sqlite").SqliteSaver(db)


class _Asynchronous:
    """A saver used through its asynchronous methods."""

    name: str
    _saver: Any

    async def open(self, folder: Path) -> None:
        self._leaving = AsyncExitStack()
        self._steps = Steps()
        self._saver = await self._connect(folder)

    async def _connect(self, folder: Path) -> Any:
        raise NotImplementedError

    async def save(self, change: Change) -> None:
        config, checkpoint, metadata, versions = self._steps.next(change)
        if "checkpoint_id" in config["configurable"]:
            await self._saver.aput_writes(config, self._steps.writes(change), "task")
        await self._saver.aput(config, checkpoint, metadata, versions)

    async def load(self) -> bool:
        return await self._saver.aget_tuple({"configurable": _THREAD}) is not None

    async def close(self) -> None:
        await self._leaving.aclose()
        await asyncio.sleep(0)


class AsyncSqlite(_Asynchronous):
    """AsyncSqliteSaver: the same database, from a thread."""

    name = "LangGraph AsyncSqliteSaver"

    async def _connect(self, folder: Path) -> Any:
        db = import_module("aiosqlite").connect(folder / "checkpoints.db")
        saver = import_module("langgraph.checkpoint.sqlite.aio").AsyncSqliteSaver
        return saver(await self._leaving.enter_async_context(db))


class SafepointSaver(_Asynchronous):
    """Safepoint behind the same interface."""

    name = "Safepoint's saver"

    async def _connect(self, folder: Path) -> Any:
        store = await open_store(self._leaving, folder)
        return import_module("safepoint.integrations.langgraph").SafepointSaver(store)
