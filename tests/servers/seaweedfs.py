"""SeaweedFS: a real S3 server with its data on disk. Contended keys wait in one-second steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.servers.process import ServerProcess, answers_http, free_ports, installed
from tests.servers.s3 import S3Server

__all__ = ["SeaweedFS", "seaweedfs"]


class SeaweedFS:
    """Keeps its ports and data when it is killed and started again.

    With `mini`, it is run as `weed mini` with these arguments, which name its bucket.
    """

    def __init__(self, folder: Path, mini: Sequence[str] = (), bucket: str | None = None) -> None:
        roles = ("master", "volume", "filer", "s3", *(("admin",) if mini else ()))
        ports = iter(free_ports(2 * len(roles)))
        port = {role: (next(ports), next(ports)) for role in roles}
        self._port = port["s3"][0]
        self._litter = [
            Path(f"/tmp/seaweedfs-{role}-grpc-{grpc}.sock") for role, (_, grpc) in port.items()
        ]
        self.s3 = S3Server(f"http://127.0.0.1:{self._port}")
        if bucket is not None:
            self.s3 = replace(self.s3, bucket=bucket)
        (folder / "data").mkdir()
        config = folder / "identities.json"
        config.write_text(json.dumps(self._identities()), "utf-8")
        server = [
            "server",
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            "-volume.max=500",
            "-filer",
            "-s3",
            f"-s3.config={config}",
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        self._process = ServerProcess(
            [
                installed("weed"),
                *(mini or server),
                f"-dir={folder / 'data'}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-filer.localSocket={folder / 'f.sock'}",
                f"-s3.localSocket={folder / 's.sock'}",
                *(f"-{role}.port={http}" for role, (http, _) in port.items()),
                *(f"-{role}.port.grpc={grpc}" for role, (_, grpc) in port.items()),
            ],
            folder / "log",
            {name: value for name, value in self.s3.environ().items() if "KEY" in name},
        )

    def start(self) -> None:
        self._process.start(lambda: answers_http(self._port, status=range(400, 404)))

    def kill(self) -> None:
        self._process.kill()
        for socket in self._litter:  # for which it knows no other place
            socket.unlink(missing_ok=True)

    def _identities(self) -> dict[str, object]:
        keys = {"accessKey": self.s3.access_key, "secretKey": self.s3.secret_key}
        return {"identities": [{"name": "test", "credentials": [keys], "actions": ["Admin"]}]}


@contextmanager
def seaweedfs(folder: Path) -> Iterator[SeaweedFS]:
    """A running server with an empty bucket."""
    server = SeaweedFS(folder)
    server.start()
    try:
        server.s3.make_bucket()
        yield server
    finally:
        server.kill()
