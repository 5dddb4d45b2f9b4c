"""Savers of LangGraph: one step is what a graph makes of it, put_writes and then put."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.contender import Contender
from bench.library import open_store
from bench.postgres import find_postgres, running_postgres
from bench.redis_server import find_redis, redis_programs, running_redis
from bench.states import Change

__all__ = [
    "AsyncSqlite",
    "Postgres",
    "Redis",
    "SafepointSaver",
    "Sqlite",
    "Steps",
    "installed_savers",
    "is_installed",
    "postgres_saver",
    "redis_saver",
    "sqlite_saver",
]

_THREAD = {"thread_id": "bench", "checkpoint_ns": ""}


def installed_savers() -> list[Callable[[], Contender]]:
    """Those whose packages are installed."""
    makers: list[tuple[str, Callable[[], Contender]]] = [
        ("langgraph.checkpoint.sqlite", Sqlite),
        ("langgraph.checkpoint.sqlite.aio", AsyncSqlite),
        ("safepoint.integrations.langgraph", SafepointSaver),
    ]
    return [maker for module, maker in makers if is_installed(module)]


@contextmanager
def postgres_saver() -> Iterator[list[Callable[[], Contender]]]:
    """The saver for PostgreSQL, while a server runs for it; none without server or package."""
    programs = find_postgres()
    if programs is None or not is_installed("langgraph.checkpoint.postgres"):
        yield []
        return
    with running_postgres(programs) as server:
        yield [partial(Postgres, server)]


@contextmanager
def redis_saver() -> Iterator[list[Callable[[], Contender]]]:
    """The saver for Redis, while servers run for it; none without such a server or package, which
    is then told on standard error."""
    program = find_redis(redis_programs())
    if program is None:
        yield []
    elif not is_installed("langgraph.checkpoint.redis"):
        told = "langgraph-checkpoint-redis is not installed, so RedisSaver does not take part"
        print(told, file=sys.stderr, flush=True)
        yield []
    else:
        with ExitStack() as leaving:
            start = partial(running_redis, program)
            yield [partial(Redis, cache(lambda folder: leaving.enter_context(start(folder))))]


def is_installed(module: str) -> bool:
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def sqlite_saver(leaving: ExitStack, folder: Path) -> Any:
    path = folder / "checkpoints.db"
    db = leaving.enter_context(closing(sqlite3.connect(path, check_same_thread=False)))
    return import_module("langgraph.checkpoint.sqlite").SqliteSaver(db)


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
        return sqlite_saver(self._leaving, folder)


class Postgres(_Synchronous):
    """PostgresSaver on a server at its defaults, in a database of its own for each folder."""

    name = "LangGraph PostgresSaver"

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server

    def _connect(self, folder: Path) -> Any:
        psycopg, name = import_module("psycopg"), folder.name.replace("-", "_")
        with psycopg.connect(f"{self._server} dbname=postgres", autocommit=True) as server:
            known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if known.fetchone() is None:
                server.execute(f"CREATE DATABASE {name}")
        saver = import_module("langgraph.checkpoint.postgres").PostgresSaver
        opened = saver.from_conn_string(f"{self._server} dbname={name}")
        return self._leaving.enter_context(opened)

    def size(self) -> int:
        """Bytes of its tables; those of the server itself are not counted."""
        found = self._saver.conn.execute(
            "SELECT sum(pg_total_relation_size(oid))::bigint AS size FROM pg_class "
            "WHERE relkind = 'r' AND relname LIKE 'checkpoint%'"
        )
        return int(found.fetchone()["size"])


class Redis(_Synchronous):
    """RedisSaver on a server of its own for each folder, at its defaults but for being durable.

    `address` starts a server at the first call for a folder: its indexes and some of its keys are
    the same whatever prefix a saver is given.
    """

    name = "LangGraph RedisSaver"

    def __init__(self, address: Callable[[Path], str]) -> None:
        super().__init__()
        self._address = address

    def _connect(self, folder: Path) -> Any:
        address = self._address(folder)
        self._client = self._leaving.enter_context(import_module("redis").Redis.from_url(address))
        saver = import_module("langgraph.checkpoint.redis").RedisSaver
        return self._leaving.enter_context(saver.from_conn_string(address))

    def size(self) -> int:
        """Bytes of its append-only files; what the server holds in memory is not counted."""
        return int(self._client.info("persistence")["aof_current_size"])


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
