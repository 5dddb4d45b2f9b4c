"""The yardsticks: SQLite as anybody would use it, and the least that a durable delta can cost."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import orjson

from bench.states import Change

__all__ = ["RawAppend", "RawSqlite"]


class RawSqlite:
    """One row for each checkpoint, with the whole state; WAL, synchronous FULL."""

    name = "raw SQLite"
    _db: sqlite3.Connection

    async def open(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "states.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("CREATE TABLE IF NOT EXISTS states (n INTEGER PRIMARY KEY, state BLOB)")

    async def save(self, change: Change) -> None:
        self._db.execute("INSERT INTO states (state) VALUES (?)", (orjson.dumps(change.state),))

    async def load(self) -> bool:
        row = self._db.execute("SELECT state FROM states ORDER BY n DESC LIMIT 1").fetchone()
        return bool(orjson.loads(row[0]))

    async def close(self) -> None:
        self._db.close()


class RawAppend:
    """Appends only what is new to one file, and syncs it. Nothing reads it back: a floor."""

    name = "append + fdatasync"
    _file: int

    async def open(self, folder: Path) -> None:
        self._file = os.open(folder / "deltas", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def save(self, change: Change) -> None:
        os.write(self._file, orjson.dumps(change.delta) + b"\n")
        getattr(os, "fdatasync", os.fsync)(self._file)

    async def load(self) -> bool:
        return False

    async def close(self) -> None:
        os.close(self._file)
