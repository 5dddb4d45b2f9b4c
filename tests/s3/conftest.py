"""Stores in buckets of the servers that tests start, opened by their addresses."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from tests.place import KEY
from tests.s3.bucket import Bucket
from tests.servers.s3 import S3Server

collect_ignore = [] if "CEPH_PROGRAMS" in os.environ else ["test_ceph.py"]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(KEY.text())
    path.chmod(0o600)
    return path


@pytest.fixture
def fake(ministack_server: S3Server, key_file: Path) -> Bucket:
    """A place of its own on the quick fake."""
    return Bucket(ministack_server, uuid.uuid4().hex, key_file)


@pytest.fixture
def real(seaweedfs_server: S3Server, key_file: Path) -> Bucket:
    """A place of its own on the real server."""
    return Bucket(seaweedfs_server, uuid.uuid4().hex, key_file)


@pytest.fixture(params=["fake", "real"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """Each of the two, in turn."""
    made: Bucket = request.getfixturevalue(request.param)
    return made
