"""Servers that are started once, when the first test asks for them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from tests.servers.fakes import ministack, rclone
from tests.servers.issuer import Issuer, issuer_process
from tests.servers.proxy import Proxy
from tests.servers.s3 import S3Server
from tests.servers.seaweedfs import SeaweedFS, seaweedfs

__all__ = [
    "issuer",
    "issuing",
    "ministack_server",
    "prefix",
    "proxy",
    "rclone_server",
    "seaweedfs_process",
    "seaweedfs_server",
]


@pytest.fixture(scope="session")
def ministack_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A quick fake. Use a `prefix` of your own in its bucket."""
    with ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture(scope="session")
def rclone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that lets every writer win."""
    with rclone(tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """May be killed, and must be started again by the same test."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def seaweedfs_server(seaweedfs_process: SeaweedFS) -> S3Server:
    """The real server. Use a `prefix` of your own in its bucket, and at most 4 racers for a key."""
    return seaweedfs_process.s3


@pytest.fixture
def prefix() -> str:
    """A place in a shared bucket that nobody has used."""
    return uuid.uuid4().hex


@pytest.fixture
def proxy(ministack_server: S3Server) -> Iterator[Proxy]:
    """Stands before the fake and does as it is told."""
    with Proxy(ministack_server.endpoint) as made:
        yield made


@pytest.fixture(scope="module")
def issuing() -> Iterator[Issuer]:
    """An OAuth issuer. What a test changes of it the next may meet: see `issuer`."""
    with issuer_process() as started:
        yield started


@pytest.fixture
def issuer(issuing: Issuer) -> Issuer:
    """The same, as it is at first."""
    issuing.state(published=["rsa", "ec", "ed"], fails=0, calls=0, metadata={})
    return issuing
