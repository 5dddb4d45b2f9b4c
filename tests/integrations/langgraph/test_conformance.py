"""LangGraph's own conformance suite finds every capability, and every test of it passes."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.conformance import checkpointer_test, validate
from tests.place import Place
from tests.s3.bucket import Bucket
from tests.servers.s3 import S3Server

from safepoint import Store
from safepoint.integrations.langgraph import SafepointSaver

TESTS = {
    "put": 17,
    "put_writes": 10,
    "get_tuple": 10,
    "list": 16,
    "delete_thread": 5,
    "delete_for_runs": 7,
    "copy_thread": 8,
    "prune": 8,
}

Opening = Callable[[], AbstractAsyncContextManager[Store]]

pytestmark = pytest.mark.anyio


async def results(opening: Opening) -> dict[str, tuple[bool, int, list[str]]]:
    """For each capability: whether it was detected, how many tests passed, which failed."""

    @checkpointer_test(name=f"safepoint-{uuid.uuid4()}")
    async def fresh() -> AsyncIterator[BaseCheckpointSaver[Any]]:
        async with opening() as store:
            yield SafepointSaver(store)

    report = await validate(fresh)
    return {
        name: (result.detected, result.tests_passed, result.failures)
        for name, result in report.results.items()
    }


EVERYTHING: dict[str, tuple[bool, int, list[str]]] = {
    name: (True, count, []) for name, count in TESTS.items()
}


async def test_it_conforms_in_memory(tmp_path: Path) -> None:
    assert sum(TESTS.values()) == 81
    assert await results(lambda: Place(tmp_path).process()) == EVERYTHING


async def test_it_conforms_on_disk(tmp_path: Path, key_file: Path) -> None:
    def opening() -> AbstractAsyncContextManager[Store]:
        return Store.open(tmp_path / uuid.uuid4().hex, key_file=key_file, pages="off")

    assert await results(opening) == EVERYTHING


async def test_it_conforms_in_a_bucket_of_a_real_server(
    seaweedfs_server: S3Server, key_file: Path
) -> None:
    bucket = Bucket(seaweedfs_server, "", key_file)

    def opening() -> AbstractAsyncContextManager[Store]:
        opened: AbstractAsyncContextManager[Store] = replace(bucket, prefix=uuid.uuid4().hex).open(
            pages="off"
        )
        return opened

    assert await results(opening) == EVERYTHING
