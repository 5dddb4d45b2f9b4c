"""A place in memory, empty; and one with a workspace of 600 versions, never to be changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="session")
def versions_600(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("place"))

    async def fill() -> None:
        async with place.process() as store:
            work = store.workspace("work")
            for version in range(1, 601):
                await work.save({"version": version, "pages": list(range(version))})

    asyncio.run(fill())
    return place
