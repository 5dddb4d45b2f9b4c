"""A place in a bucket, as a process finds it: by an address, the environment and a key file."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.servers.s3 import S3Server

from safepoint import Store
from safepoint.behind.schedule import Pace
from safepoint.objects._s3_client import S3Client, make_client
from safepoint.objects.s3 import S3Objects

__all__ = ["SELDOM", "Bucket"]

SELDOM = Pace(interval=3600.0)
"""Nothing is written behind commits before the store is closed, so that requests can be counted."""


@dataclass(frozen=True)
class Bucket:
    server: S3Server
    prefix: str
    key_file: Path

    @property
    def url(self) -> str:
        return f"s3://{self.server.bucket}/{self.prefix}"

    def environ(self, **more: str) -> dict[str, str]:
        """What another process needs to open it, over this process's own environment."""
        given = {"SAFEPOINT_STORE": self.url, "SAFEPOINT_KEY_FILE": str(self.key_file)}
        return {**os.environ, **self.server.environ(), **given, **more}

    def client(self) -> S3Client:
        """The client that Safepoint makes for itself."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.server.environ().items():
                patch.setenv(name, value)
            return make_client(region=None, endpoint=None, profile=None)

    def open(self, client: S3Client | None = None, **options: Any) -> Any:
        """The store as a fresh process has it: opened, nothing read of any workspace."""
        objects = S3Objects(
            client or self.client(), self.server.bucket, self.prefix, close_client=True
        )
        opened: AbstractAsyncContextManager[Store] = Store.open(
            objects, key_file=self.key_file, pace=SELDOM, **options
        )
        return opened
