"""Streams to and from files: what fails is told, what dead processes leave is swept."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from safepoint.errors import NotFound, OutcomeUnknown, Unavailable
from safepoint.objects._durable import OsCalls
from safepoint.objects.local import LocalObjects
from safepoint.testing.streams import read, stream

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions and signals"),
]

MIB = 1024 * 1024
HOUR = timedelta(hours=1)
WORKER = Path(__file__).with_name("stream_worker.py")


def temporary_files(root: Path) -> list[Path]:
    return [path for path in (root / ".tmp").iterdir() if path.name != "lock"]


async def test_a_streamed_file_is_for_its_owner_only_and_synced_before_it_is_named(
    tmp_path: Path,
) -> None:
    synced: list[str] = []

    def fsync(fd: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file")
        assert (tmp_path / "a/k").exists() == (synced != ["file"])

    objects = LocalObjects(tmp_path, os_calls=OsCalls(fsync))
    await objects.put_stream("a/k", stream([b"data"]))
    assert synced == ["file", "folder", "folder"]
    assert stat.S_IMODE((tmp_path / "a/k").stat().st_mode) == 0o600
    assert temporary_files(tmp_path) == []


async def test_a_full_disk_is_told_and_leaves_the_old_object(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    await objects.put("k", b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MIB, limits[1]))
    try:
        with pytest.raises(Unavailable, match="File too large") as failed:
            await objects.put_stream("k", stream([b"x" * MIB] * 5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert type(failed.value) is Unavailable
    assert await objects.get("k") == b"old"
    assert temporary_files(tmp_path) == []


async def test_a_failed_fsync_of_the_file_stores_nothing(tmp_path: Path) -> None:
    def fsync(fd: int) -> None:
        raise OSError(errno.EIO, "as scheduled")

    objects = LocalObjects(tmp_path, os_calls=OsCalls(fsync))
    with pytest.raises(Unavailable, match="as scheduled") as failed:
        await objects.put_stream("k", stream([b"new"]))
    assert type(failed.value) is Unavailable
    assert await objects.get("k") is None
    assert temporary_files(tmp_path) == []


async def test_an_object_whose_name_is_not_safe_is_unknown_and_not_read(tmp_path: Path) -> None:
    def fsync(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EIO, "as scheduled")

    objects = LocalObjects(tmp_path, os_calls=OsCalls(fsync))
    with pytest.raises(OutcomeUnknown, match="did not confirm"):
        await objects.put_stream("k", stream([b"new"]))
    with pytest.raises(Unavailable, match="did not confirm"):
        await read(objects, "k")


async def test_a_cancellation_during_the_last_step_undoes_it(tmp_path: Path) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def fsync(fd: int) -> None:
        reached.set()
        go_on.wait()

    objects = LocalObjects(tmp_path, os_calls=OsCalls(fsync))
    upload = asyncio.create_task(objects.put_stream("k", stream([b"new"])))
    await asyncio.to_thread(reached.wait)
    upload.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await objects.get("k") is None
    assert temporary_files(tmp_path) == []


async def test_a_scope_that_cancels_again_and_again_does_not_stop_the_removal(
    tmp_path: Path,
) -> None:
    objects = LocalObjects(tmp_path)
    with anyio.CancelScope() as scope:

        async def source() -> AsyncIterator[bytes]:
            yield b"part"
            scope.cancel()
            await anyio.sleep_forever()

        await objects.put_stream("k", source())
    await objects.close()
    assert await objects.list("") == []
    assert temporary_files(tmp_path) == []


async def test_a_reader_keeps_the_object_that_it_began_with(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    await objects.put_stream("k", stream([b"a" * MIB, b"b" * MIB]))
    chunks = objects.get_stream("k")
    assert await anext(chunks) == b"a" * MIB
    await objects.delete("k")
    assert await anext(chunks) == b"b" * MIB
    await chunks.aclose()
    with pytest.raises(NotFound):
        await read(objects, "k")


async def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    root = tmp_path / "store"
    root.mkdir()
    (root / "k").symlink_to(tmp_path / "secret")
    objects = LocalObjects(root)
    with pytest.raises(Unavailable):
        await read(objects, "k")
    await objects.put_stream("k", stream([b"mine"]))
    assert (tmp_path / "secret").read_bytes() == b"secret"


async def test_what_a_killed_process_left_is_swept_when_it_is_old_enough(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    await objects.put("other", b"1")
    worker = subprocess.Popen(
        [sys.executable, WORKER, "hang", tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    with worker:
        try:
            assert worker.stdout.readline() == "hanging\n"
            (left,) = temporary_files(tmp_path)
            assert await objects.sweep(older_than=-HOUR) == 0, "it is in use, however old"
        finally:
            worker.kill()
    assert await objects.sweep(older_than=HOUR) == 0
    assert left.exists()
    assert await objects.sweep(older_than=-HOUR) == 1
    assert temporary_files(tmp_path) == []
    assert await objects.list("") == ["other"]
