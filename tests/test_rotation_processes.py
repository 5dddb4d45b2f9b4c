"""Keys are replaced again and again while processes save, on local disk; nobody loses anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import CAMPAIGN
from tests.place import KEY
from tests.rotating_processes import check_writers

pytestmark = pytest.mark.anyio

TIMES = 4 * CAMPAIGN


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY.text())
    return path


async def test_data_keys_are_rotated_under_four_processes(tmp_path: Path, key_file: Path) -> None:
    await check_writers(
        str(tmp_path / "store"),
        key_file,
        writers=4,
        rotations=lambda store: [store.keys.rotate] * TIMES,
    )


async def test_the_store_key_is_replaced_under_four_processes(
    tmp_path: Path, key_file: Path
) -> None:
    await check_writers(
        str(tmp_path / "store"),
        key_file,
        writers=4,
        rotations=lambda store: [store.keys.rotate_store_key] * TIMES,
    )
