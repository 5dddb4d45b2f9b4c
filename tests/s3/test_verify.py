"""Verify, repair and references on buckets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.s3.bucket import Bucket

from safepoint import Damaged, Reference
from safepoint.format.keys import log_key
from safepoint.outside.s3 import S3Look
from safepoint.references import check_references

pytestmark = pytest.mark.anyio


async def test_a_damaged_bucket_is_verified_repaired_and_gone_on_with(bucket: Bucket) -> None:
    async with bucket.open() as store:
        work = store.workspace("work")
        for number in range(1, 262):
            await work.save({"n": number})
        objects = store.objects
        await objects.put(log_key("work", 257), b"broken")
        await objects.delete(log_key("work", 40))
    async with bucket.open() as store:
        report = await store.verify()
        assert [(p.version, p.what) for p in report.problems] == [(40, "missing"), (257, "damaged")]
        work = store.workspace("work")
        with pytest.raises(Damaged):
            await work.load()
        repaired = await work.repair()
        assert (repaired.restored, repaired.version) == (256, 262)
        ((_, none), (_, kept)) = repaired.aside
        assert none is None
        assert await store.objects.get(str(kept)) == b"broken"
    async with bucket.open() as store:
        work = store.workspace("work")
        assert (await work.load()).state == {"n": 256}
        assert (await work.load(version=39)).state == {"n": 39}
        assert (await work.save({"n": "on"})).version == 263
        assert (await store.verify()).ok


async def test_objects_are_unchanged_changed_missing_or_beyond_reach(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.server.environ().items():
        monkeypatch.setenv(name, value)
    client: Any = bucket.client()
    place = f"{bucket.prefix}/data"

    def put(key: str, data: bytes) -> None:
        client.put_object(Bucket=bucket.server.bucket, Key=f"{place}/{key}", Body=data)

    for key in ("same", "edited", "gone", "a b+c"):
        await asyncio.to_thread(put, key, key.encode())
    look = S3Look([f"s3://{bucket.server.bucket}/{place}"])
    base = f"s3://{bucket.server.bucket}/{place}"
    names = [Reference(f"{base}/{key}") for key in ("same", "a b+c", "edited", "gone")]
    known = [await look.look(one) for one in names]
    assert all(one.etag and one.size for one in known)
    await asyncio.to_thread(put, "edited", b"EDITED")
    await asyncio.to_thread(client.delete_object, Bucket=bucket.server.bucket, Key=f"{place}/gone")
    elsewhere = Reference(f"s3://{bucket.server.bucket}/{bucket.prefix}/other", etag="e")
    checks = await check_references([*known, elsewhere], look)
    assert [check.status for check in checks] == [
        *("unchanged", "unchanged", "changed", "missing", "not_checked")
    ]
    look.close()
    client.close()


async def test_a_server_that_is_not_there_leaves_references_unchecked() -> None:
    look = S3Look(["s3://bucket/prefix?endpoint=http://127.0.0.1:1&region=us-east-1"])
    (check,) = await check_references([Reference("s3://bucket/prefix/key", etag="e")], look)
    assert check.status == "not_checked"
    assert "S3 did not tell" in str(check.reason)
    look.close()
