"""Ceph's gateway keeps the contract in buckets without versions, and is refused in others.

`make test-ceph` runs this: it downloads 60 packages of Debian, and is no part of `make test`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.s3.bucket import Bucket
from tests.s3.test_many_writers import check
from tests.servers.ceph import ceph
from tests.servers.s3 import S3Server

from safepoint import Store, Unsupported
from safepoint.objects.base import ObjectStore
from safepoint.testing.contract import ObjectStoreContract

PROGRAMS = Path(os.environ["CEPH_PROGRAMS"])


@pytest.fixture(scope="module")
def gateway() -> Iterator[S3Server]:
    with ceph(PROGRAMS.absolute()) as server:
        yield server


class TestInABucketWithoutVersions(ObjectStoreContract):
    @pytest.fixture
    def place(self, gateway: S3Server, prefix: str) -> Callable[[], ObjectStore]:
        return gateway.place(prefix)


def test_eight_processes_share_one_history(gateway: S3Server, key_file: Path) -> None:
    check(Bucket(gateway, uuid.uuid4().hex, key_file), writers=8, turns=25)


@pytest.mark.anyio
async def test_a_bucket_with_versions_is_refused_because_every_writer_wins_there(
    gateway: S3Server, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versioned = Bucket(replace(gateway, bucket="versioned"), "", key_file)
    versioned.server.make_bucket()
    enabled = {"Status": "Enabled"}
    client = versioned.server.client()
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration=enabled)
    client.close()
    for name, value in gateway.environ().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Unsupported, match="conditional puts") as refused:
        async with Store.open(versioned.url, key_file=key_file):
            pass
    assert refused.value.code == "no_conditional_put"
    assert "without versioning" in refused.value.hint
