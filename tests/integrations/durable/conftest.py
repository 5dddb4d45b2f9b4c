"""A workspace in memory or on disk, and time that passes when it is waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integrations.durable.hours import Hours
from tests.place import Place

from safepoint import Store, Workspace
from safepoint.objects.local import LocalObjects


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(tmp_path, LocalObjects(tmp_path / "store") if request.param == "disk" else None)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    async with place.process() as opened:
        yield opened


@pytest.fixture
def work(store: Store) -> Workspace:
    return store.workspace("work")


@pytest.fixture
def hours(place: Place) -> Hours:
    return Hours(place)
