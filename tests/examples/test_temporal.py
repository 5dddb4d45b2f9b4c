"""The activity of the Temporal example, cancelled and tried again in Temporal's own environment."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from safepoint import Store

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "examples" / "temporal_activity.py"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("temporal_activity", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def environment(attempt: int) -> tuple[ActivityEnvironment, list[Any]]:
    """One attempt, and its heartbeats."""
    beats: list[Any] = []
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, attempt=attempt)
    environment.on_heartbeat = lambda *details: beats.append(details[0])
    return environment, beats


async def test_an_activity_that_was_cancelled_or_failed_carries_on_at_its_next_attempt(
    example: Any, tmp_path: Path
) -> None:
    pages = example.Pages(str(tmp_path / "store"), ["a-page", "b-page"])
    begun = asyncio.Event()

    class Stuck(example.Indexing):  # type: ignore[misc]
        async def index_page(self, page: str) -> int:
            if page == "a-page":
                return 2
            begun.set()
            await asyncio.Event().wait()
            return 0

    class Broken(example.Indexing):  # type: ignore[misc]
        async def index_page(self, page: str) -> int:
            raise ConnectionError(page)

    cancelled, beats = environment(1)
    running = asyncio.ensure_future(cancelled.run(Stuck(tmp_path).index_pages, pages))
    await begun.wait()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert beats == [0, 1]

    failed, _ = environment(2)
    with pytest.raises(ConnectionError, match="b-page"):
        await failed.run(Broken(tmp_path).index_pages, pages)

    last, beats = environment(3)
    assert await last.run(example.Indexing(tmp_path).index_pages, pages) == 4
    assert beats == [0, 1]
    async with Store.open(tmp_path / "store", passphrase=example.KEY) as store:
        (step_a, step_b) = (await store.workspace("test.test-run.test").steps()).items
        assert (step_a.attempts, step_b.attempts) == (1, 3)
