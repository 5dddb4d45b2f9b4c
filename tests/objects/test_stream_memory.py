"""A stream of any size takes as much memory as a few of its parts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts memory in KiB")

WORKER = Path(__file__).with_name("stream_worker.py")


def growth(url: str, mebibytes: int, environ: dict[str, str]) -> int:
    """MiB by which moving a large stream raised the memory of a process that moved a small one."""
    command = [sys.executable, WORKER, "move", url, str(mebibytes)]
    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) // 1024


def test_a_file_of_200_mib_takes_a_few_chunks(tmp_path: Path) -> None:
    assert growth(str(tmp_path / "store"), 200, {}) < 16


def test_an_upload_takes_five_parts_whatever_its_size(
    seaweedfs_server: S3Server, prefix: str
) -> None:
    url, environ = f"s3://{seaweedfs_server.bucket}/{prefix}", seaweedfs_server.environ()
    assert growth(url, 128, environ) < 70
