"""Processes that know nothing of each other change one workspace in a bucket, in one order."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

from tests.conftest import CAMPAIGN
from tests.s3.bucket import Bucket
from tests.s3.order import Call, Model, replay, respects_time
from tests.s3.writer import WORKSPACE

from safepoint import Store
from safepoint.objects.memory import MemoryObjects

WRITER = Path(__file__).with_name("writer.py")
TURNS = 100
SECONDS = 1200


@contextmanager
def started(bucket: Bucket, name: str, turns: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, str(WRITER), name, str(turns)],
        env=bucket.environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def calls_of(bucket: Bucket, writers: int, turns: int) -> list[Call]:
    """All calls of that many processes, which begin each of their turns together."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(started(bucket, f"writer{n}", turns)) for n in range(writers)
        ]
        for _ in range(turns):
            begin_together(processes)
        outputs = [process.communicate(timeout=SECONDS)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * writers
    return [Call(**json.loads(line)) for output in outputs for line in output.splitlines()]


def begin_together(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


async def make(bucket: Bucket) -> None:
    async with bucket.open():
        pass


async def check_the_store(bucket: Bucket, models: list[Model]) -> None:
    """Every version, read from a copy, is what the model of that version is."""
    async with bucket.open() as store:
        keys = await store.objects.list("safepoint/")
        keys += await store.objects.list("workspaces/", limit=100_000)
        found = await asyncio.gather(*(store.objects.get(key) for key in keys))
    copied = MemoryObjects()
    for key, data in zip(keys, found, strict=True):
        await copied.put(key, data or b"")
    async with Store.open(copied, key_file=bucket.key_file, pages="off") as store:
        work = store.workspace(WORKSPACE)
        assert (await work.load()).version == len(models)
        for model in models:
            loaded = await work.load(version=model.version)
            assert (loaded.state or {}) == model.state
            assert loaded.brief.progress.done == sum(s["done"] for s in model.steps.values())
            assert loaded.brief.progress.total == len(model.steps)


def check(bucket: Bucket, writers: int, turns: int) -> None:
    asyncio.run(make(bucket))
    calls = calls_of(bucket, writers, turns)
    models = replay(calls)
    respects_time(calls)
    assert len(models) > writers * turns
    assert {call.kind for call in calls} == {"save", "load", "start", "mark"}
    assert passed_on(calls) > turns  # else nobody has met anybody
    asyncio.run(check_the_store(bucket, models))


def passed_on(calls: list[Call]) -> int:
    """How often the next version was another process's."""
    by = [call.process for call in sorted(calls, key=lambda call: call.place) if call.commits]
    return sum(one != other for one, other in pairwise(by))


def test_eight_processes_on_the_fake_share_one_history(fake: Bucket) -> None:
    check(fake, writers=8, turns=15 if CAMPAIGN == 1 else TURNS)


def test_four_processes_on_the_real_server_share_one_history(real: Bucket) -> None:
    check(real, writers=4, turns=30 if CAMPAIGN == 1 else TURNS)
