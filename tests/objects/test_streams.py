"""Every store of this library keeps the contract of streams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.servers.s3 import S3Server

from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import CountingObjects, GatedObjects
from safepoint.testing.streams import Streams, StreamStoreContract


class TestInMemory(StreamStoreContract):
    large_bytes = 3 * 1024 * 1024

    @pytest.fixture
    def place(self) -> Callable[[], Streams]:
        objects = MemoryObjects()
        return lambda: objects


class TestInFiles(StreamStoreContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Callable[[], Streams]:
        return lambda: LocalObjects(tmp_path / "store")


class TestOnAFake(StreamStoreContract):
    @pytest.fixture
    def place(self, ministack_server: S3Server, prefix: str) -> Callable[[], Streams]:
        return ministack_server.place(prefix)


class TestOnARealServer(StreamStoreContract):
    @pytest.fixture
    def place(self, seaweedfs_server: S3Server, prefix: str) -> Callable[[], Streams]:
        return seaweedfs_server.place(prefix)


class TestThroughWrappers(StreamStoreContract):
    large_bytes = 3 * 1024 * 1024

    @pytest.fixture
    def place(self) -> Callable[[], Streams]:
        inner = MemoryObjects()

        def wrapped() -> Streams:
            store: object = GatedObjects(CountingObjects(inner))
            return store  # type: ignore[return-value]  # it has what the inner store has

        return wrapped
