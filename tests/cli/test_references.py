"""show --check-references: a person's own files are looked at, when the person asks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safepoint import Reference, Store

Cli = Callable[..., Any]


def test_references_are_looked_at_only_when_asked(cli: Cli, place: Any, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("1,2")
    digest = hashlib.sha256(b"1,2").hexdigest()

    async def save() -> None:
        async with Store.open(place.url, key_file=place.key_file) as store:
            known = [Reference(str(data), digest, 3), Reference("s3://bucket/key", etag="e")]
            await store.workspace("billing").save(references=known)

    asyncio.run(save())
    plain = cli("show", "billing", *place.options)
    assert "references" in plain.out
    assert str(data) not in plain.out
    assert f"unchanged: {data}" in cli("show", "billing", "--check-references", *place.options).out
    data.write_text("3,4")
    told = cli("show", "billing", "--check-references", "--json", *place.options).json
    assert [check["status"] for check in told["references"]] == ["changed", "not_checked"]
    asked = cli("show", "billing", "--json", *place.options).json["references"]
    assert asked[0]["sha256"] == digest
