"""Keys are replaced in a bucket of a real server while processes save."""

from __future__ import annotations

import pytest
from tests.rotating_processes import check_writers
from tests.s3.bucket import Bucket

pytestmark = pytest.mark.anyio


async def test_data_keys_and_the_store_key_are_replaced_under_two_processes(
    real: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in real.server.environ().items():
        monkeypatch.setenv(name, value)

    await check_writers(
        real.url,
        real.key_file,
        writers=2,
        rotations=lambda store: [
            store.keys.rotate,
            store.keys.rotate,
            store.keys.rotate_store_key,
            store.keys.rotate,
        ],
    )
