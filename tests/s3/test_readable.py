"""People find their way in the bucket: metadata beside sealed records, pages that open as pages."""

from __future__ import annotations

import pytest
from tests.servers.s3 import S3Server

from safepoint import Store
from safepoint.behind.following import PagesPolicy
from safepoint.format.keys import log_key, page_key


@pytest.mark.anyio
@pytest.mark.parametrize("policy", ["full", "counts", "off"])
async def test_records_carry_what_the_names_policy_allows_and_pages_are_html(
    seaweedfs_server: S3Server, prefix: str, policy: PagesPolicy
) -> None:
    async with Store.open(
        seaweedfs_server.objects(prefix), passphrase="eight or more", pages=policy
    ) as store:
        await store.workspace("trip").save({"secret": 1}, label="gebucht für Köln")
    client = seaweedfs_server.client()
    bucket, folder = seaweedfs_server.bucket, prefix.rstrip("/") + "/"
    record = client.head_object(Bucket=bucket, Key=folder + log_key("trip", 1))
    expected = {
        "full": {"version": "1", "event": "save", "label": "gebucht f%C3%BCr K%C3%B6ln"},
        "counts": {"version": "1", "event": "save"},
        "off": {},
    }[policy]
    assert record["Metadata"] == {f"safepoint-{name}": text for name, text in expected.items()}
    listed = client.list_objects_v2(Bucket=bucket, Prefix=folder)["Contents"]
    pages = {entry["Key"] for entry in listed if entry["Key"].endswith(".html")}
    if policy == "off":
        assert pages == set()
    else:
        assert pages == {folder + "index.html", folder + page_key("trip")}
        for key in pages:
            kind = client.head_object(Bucket=bucket, Key=key)["ContentType"]
            assert kind == "text/html; charset=utf-8"
    client.close()
