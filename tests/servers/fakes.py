"""MiniStack, a quick fake in memory, and `rclone serve s3`, which ignores every condition."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import ServerProcess, answers_http, free_ports, installed
from tests.servers.s3 import S3Server

__all__ = ["ministack", "rclone"]


@contextmanager
def ministack(folder: Path) -> Iterator[S3Server]:
    """An empty bucket in memory. Signatures are not checked."""
    (port,) = free_ports(1)
    environ = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,kms",
        "IOT_MTLS_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),  # for its process id
    }
    server = S3Server(f"http://127.0.0.1:{port}")
    with _running(ServerProcess([installed("ministack")], folder / "log", environ), port):
        server.make_bucket()
        yield server


@contextmanager
def rclone(folder: Path) -> Iterator[S3Server]:
    """An empty bucket that is a folder."""
    (port,) = free_ports(1)
    server = S3Server(f"http://127.0.0.1:{port}")
    (folder / "data" / server.bucket).mkdir(parents=True)
    command = [
        installed("rclone"),
        "serve",
        "s3",
        f"--addr=127.0.0.1:{port}",
        f"--auth-key={server.access_key},{server.secret_key}",
        f"--config={folder / 'rclone.conf'}",
        str(folder / "data"),
    ]
    with _running(ServerProcess(command, folder / "log"), port):
        yield server


@contextmanager
def _running(process: ServerProcess, port: int) -> Iterator[None]:
    process.start(lambda: answers_http(port))
    try:
        yield
    finally:
        process.kill()
