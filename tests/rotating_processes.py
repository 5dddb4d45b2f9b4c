"""Processes that write into a store while its keys are replaced, and what must be true after."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tests.rotating_writer import SAVES, WORKSPACE

from safepoint import KeysRotated, Store
from safepoint.crypto.envelope import key_id_of
from safepoint.format.keys import log_key

WRITER = Path(__file__).with_name("rotating_writer.py")
SECONDS = 300

T = TypeVar("T")
Rotation = Callable[[], Awaitable[KeysRotated]]


async def check_writers(
    url: str, key_file: Path, *, writers: int, rotations: Callable[[Store], list[Rotation]]
) -> None:
    """Makes one rotation after the other, each while that many processes make a turn."""
    env = {**os.environ, "SAFEPOINT_STORE": url, "SAFEPOINT_KEY_FILE": str(key_file)}
    async with Store.open(url, key_file=key_file, pages="off") as store:
        processes = [
            subprocess.Popen(
                [sys.executable, str(WRITER), f"writer{number}"],
                env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for number in range(writers)
        ]  # fmt: skip
        try:
            for rotate in rotations(store):
                await _go(processes)
                assert await _rotated(rotate)
            await _go(processes)
            await asyncio.to_thread(_ready, processes)
            outputs = [process.communicate("stop\n", timeout=SECONDS)[0] for process in processes]
            assert [process.returncode for process in processes] == [0] * writers
        finally:
            for process in processes:
                with process:
                    process.kill()
        await _check(store, [json.loads(output) for output in outputs])


async def _rotated(rotate: Rotation) -> bool:
    """Whether it comes to its end: writers that commit all the time can keep it from a workspace
    for so long that it has to be repeated."""
    for _ in range(5):
        if (await rotate()).finished:
            return True
    return False


async def _go(processes: list[subprocess.Popen[str]]) -> None:
    """Let all begin a turn, once they have ended the last."""
    await asyncio.to_thread(_ready, processes)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def _ready(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"


async def _check(store: Store, told: list[list[list[int]]]) -> None:
    work = store.workspace(WORKSPACE)
    newest = await work.load()
    versions = sorted(version for one, _ in told for version in one)
    assert len(set(versions)) == len(versions)
    others = sorted({*range(1, newest.version + 1)} - {*versions})
    records = await _few_at_once([store.open_log(WORKSPACE).log.record(one) for one in others])
    assert {str(record.event["kind"]) for record, _ in records} == {"rotate_keys"}
    assert newest.state == {f"writer{n}": len(one[0]) - 1 for n, one in enumerate(told)}

    async def check(number: int, count: int, version: int) -> None:
        loaded = await work.load(version=version)
        assert isinstance(loaded.state, dict)
        assert loaded.state[f"writer{number}"] == count

    saved = [(n, *one) for n, (mine, _) in enumerate(told) for one in enumerate(mine)]
    await _few_at_once([check(*one) for one in saved])
    names = [str(name) for _, begun in told for name in begun]
    await _few_at_once([store.workspace(name).load(version=1) for name in names])
    keys = await _few_at_once([_key_of(store, one) for one in range(1, newest.version + 1)])
    assert keys == sorted(keys)
    assert len(set(keys)) > 1
    for acknowledged, _ in told:
        assert {keys[version - 1] for version in acknowledged[-SAVES:]} == {keys[-1]}


async def _few_at_once(work: Sequence[Awaitable[T]]) -> list[T]:
    done: list[T] = []
    for first in range(0, len(work), 16):
        done += await asyncio.gather(*work[first : first + 16])
    return done


async def _key_of(store: Store, version: int) -> int:
    data = await store.objects.get(log_key(WORKSPACE, version))
    assert data is not None
    return key_id_of(data, "a record")
