"""An artifact of any size passes in and out in the memory of a few segments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters
from tests.servers.s3 import S3Server

from safepoint.keyfile import make_key_file

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="counts memory in KiB"),
]

WORKER = Path(__file__).with_name("worker.py")
MIB = 1024 * 1024


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    make_key_file(tmp_path / "key", random=os.urandom)
    return tmp_path / "key"


def growth(url: str, key_file: Path, mebibytes: int, environ: dict[str, str]) -> int:
    """MiB by which passing a file in and out raised the memory of a process with an open store.

    Counted is what it holds, not what the C library keeps of large buffers that were freed.
    """
    environ = {"MALLOC_MMAP_THRESHOLD_": str(MIB // 2), **environ}
    command = [sys.executable, WORKER, url, key_file, key_file.parent, str(mebibytes)]
    done = subprocess.run(
        command, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) // 1024


def test_192_mib_on_disk_take_a_few_segments(tmp_path: Path, key_file: Path) -> None:
    assert growth(str(tmp_path / "store"), key_file, 192, {}) < 64


def test_96_mib_in_a_bucket_take_a_few_parts(
    seaweedfs_server: S3Server, prefix: str, key_file: Path
) -> None:
    url, environ = f"s3://{seaweedfs_server.bucket}/{prefix}", seaweedfs_server.environ()
    assert growth(url, key_file, 96, environ) < 64


def peak(pid: int) -> int:
    """The most memory that a process ever had, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


@pytest.mark.skipif("SAFEPOINT_CAMPAIGN" not in os.environ, reason="moves 2 GiB four times")
async def test_2_gib_pass_through_a_server_within_64_mib(tmp_path: Path, key_file: Path) -> None:
    """Beyond what the same server has after a small save and load."""
    data = os.urandom(MIB)
    with (tmp_path / "large").open("wb") as file:
        for n in range(2048):
            file.write(n.to_bytes(8, "big") + data[8:])
    command = [sys.executable, "-m", "safepoint_server", "serve", "--allow-path", str(tmp_path)]
    command += ["--store", str(tmp_path / "store"), "--key-file", str(key_file)]
    shell = ["-c", f'echo $$ > {tmp_path}/pid; exec "$@" 2>/dev/null', "sh", *command]
    parameters = StdioServerParameters(command="sh", args=shell, env=dict(os.environ))
    async with Client(parameters, read_timeout_seconds=600) as client:

        async def call(tool: str, **arguments: object) -> dict[str, object]:
            result = await client.call_tool(tool, {"workspace": "w", **arguments})
            assert not result.is_error, result.content
            return json.loads(result.content[0].text)

        await call("save_checkpoint", state={"a": 1})
        await call("load_checkpoint")
        pid = int((tmp_path / "pid").read_text())
        bare = peak(pid)
        saved = await call("save_artifact", name="large", path=str(tmp_path / "large"))
        into = peak(pid) - bare
        await call("load_artifact", name="large", path=str(tmp_path / "again"))
        both = peak(pid) - bare
    assert saved["size"] == 2048 * MIB
    for one, other in ((tmp_path / "large", tmp_path / "again"),):
        subprocess.run(["cmp", one, other], check=True)
    print(
        f"bare server {bare // 1024} MiB; in +{into / 1024:.0f} MiB, in and out +{both / 1024:.0f}"
    )
    assert both < 64 * 1024
