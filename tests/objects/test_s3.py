"""S3Objects keeps the contract, against a quick fake and against a real server that is on disk."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.servers.s3 import S3Server

from safepoint.objects.base import ObjectStore
from safepoint.testing.contract import ObjectStoreContract


class TestOnAFake(ObjectStoreContract):
    large_bytes = 4 * 1024 * 1024

    @pytest.fixture
    def place(self, ministack_server: S3Server, prefix: str) -> Callable[[], ObjectStore]:
        return ministack_server.place(prefix)


class TestOnARealServer(ObjectStoreContract):
    race_rounds = 6
    racers = 4

    @pytest.fixture
    def place(self, seaweedfs_server: S3Server, prefix: str) -> Callable[[], ObjectStore]:
        return seaweedfs_server.place(prefix)

    async def test_a_folder_without_objects_is_no_folder(self, objects: ObjectStore) -> None:
        """This server clears emptied folders away in its own time; their keys are gone at once."""
        await objects.put("w/gone/keys/1", b"1")
        await objects.put("w/kept/keys/1", b"1")
        await objects.delete("w/gone/keys/1")
        assert "kept" in await objects.list("w/", folders=True)
        assert await objects.list("w/") == ["w/kept/keys/1"]
