"""stdin and stdout without threads: nothing is lost, and nothing that waits stops the loop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from safepoint_server.pipes import Outlet, chunks, claimed_stdout

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="pipes there cannot be waited for"),
]


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    try:
        yield read, write
    finally:
        for fd in (read, write):
            with suppress(OSError):
                os.close(fd)


async def all_of(fd: int) -> bytes:
    return b"".join([chunk async for chunk in chunks(fd)])


async def test_what_arrives_in_parts_is_read_until_the_other_end_is_closed() -> None:
    with pipe() as (read, write):
        reading = asyncio.create_task(all_of(read))
        for part in (b"one ", b"two ", b"three"):
            os.write(write, part)
            await asyncio.sleep(0)
        os.close(write)
        assert await reading == b"one two three"


async def test_a_pipe_that_somebody_made_non_blocking_is_read_too() -> None:
    with pipe() as (read, write):
        os.set_blocking(read, False)
        reading = asyncio.create_task(all_of(read))
        os.write(write, b"one")
        os.close(write)
        assert await reading == b"one"


async def test_what_nobody_asks_for_stays_in_the_pipe_and_wakes_nobody() -> None:
    with pipe() as (read, write):
        arriving = chunks(read)
        os.write(write, b"one")
        assert await anext(arriving) == b"one"
        for part in (b"two", b"three", b"four"):
            os.write(write, part)
            for _ in range(10):
                await asyncio.sleep(0)
        assert not asyncio.get_running_loop().remove_reader(read)
        assert os.read(read, 5) == b"three"
        assert await anext(arriving) == b"two"
        os.close(write)
        assert [chunk async for chunk in arriving] == [b"four"]


async def test_a_file_is_read_by_a_thread(tmp_path: Path) -> None:
    text = os.urandom(300_000)
    (tmp_path / "requests").write_bytes(text)
    with (tmp_path / "requests").open("rb") as file:
        assert await all_of(file.fileno()) == text


async def test_a_client_that_does_not_read_holds_up_only_what_is_written_to_it() -> None:
    """Far more than a pipe holds: the loop goes on, and in the end all of it is there, in order."""
    text = "".join(f"{number:09}\n" for number in range(100_000))
    with pipe() as (read, write):
        outlet = Outlet(write)
        await outlet.write(text)
        flushing = asyncio.create_task(outlet.flush())
        for _ in range(100):
            await asyncio.sleep(0)
        assert not flushing.done()
        reading = asyncio.create_task(all_of(read))
        await flushing
        os.close(write)
        assert await reading == text.encode()


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_small_reply_is_written_without_a_thread(blocking: bool) -> None:
    with pipe() as (read, write):
        os.set_blocking(write, blocking)
        outlet = Outlet(write)
        await outlet.write('{"jsonrpc":"2.0"}\n')
        with pytest.raises(StopIteration):  # it never waited
            outlet.flush().send(None)
        assert os.read(read, 100) == b'{"jsonrpc":"2.0"}\n'


async def test_a_client_that_is_gone_is_told_as_such() -> None:
    with pipe() as (read, write):
        os.close(read)
        outlet = Outlet(write)
        await outlet.write("too late\n")
        with pytest.raises(BrokenPipeError):
            await outlet.flush()


def test_what_is_printed_meanwhile_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with claimed_stdout() as wire:
        os.write(1, b"a stray print\n")
        os.write(wire, b"the protocol\n")
    os.write(1, b"afterwards\n")
    out, err = capfd.readouterr()
    assert (out, err) == ("the protocol\nafterwards\n", "a stray print\n")
