"""An object that nobody can have written is refused before it fills the memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from safepoint import Damaged
from safepoint.objects.base import MAX_OBJECT_BYTES
from safepoint.objects.local import LocalObjects


@pytest.mark.anyio
async def test_a_file_larger_than_any_object_is_not_read(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    await objects.put("log/1", b"x")
    assert await objects.get("log/1") == b"x"
    os.truncate(tmp_path / "log" / "1", MAX_OBJECT_BYTES + 1)
    with pytest.raises(Damaged, match="log/1 is larger") as refused:
        await objects.get("log/1")
    assert refused.value.code == "too_large"
