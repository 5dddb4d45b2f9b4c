"""Savers over stores in memory, on disk and in a bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.place import KEY, Place

from safepoint import Store
from safepoint.integrations.langgraph import SafepointSaver


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY.text())
    path.chmod(0o600)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    """A store in memory, in the event loop of the test."""
    async with place.process() as store:
        yield store


@pytest.fixture
async def saver(store: Store) -> SafepointSaver:
    return SafepointSaver(store)


@pytest.fixture
def own_loop(tmp_path: Path, key_file: Path) -> Iterator[SafepointSaver]:
    """A saver on disk that opened its store itself, for synchronous tests."""
    with SafepointSaver.open(tmp_path / "store", key_file=key_file, pages="off") as saver:
        yield saver
