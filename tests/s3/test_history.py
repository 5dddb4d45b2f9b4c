"""Forks, rewinds and runs in a bucket, where two processes do the same at once."""

from __future__ import annotations

import asyncio

import pytest
from tests.s3.bucket import Bucket

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024


async def test_a_workspace_goes_back_and_on_in_a_bucket(real: Bucket) -> None:
    async with real.open() as store:
        work = store.workspace("work")
        await work.plan_steps(["send"])
        await work.save({"page": 1}, label="first")
        await work.artifacts.save("large.bin", bytes(9 * MIB))
        await work.artifacts.save("notes.txt", b"one")
        version = (await work.load()).version
        await work.artifacts.save("notes.txt", b"two")
        await work.mark_step_done("send", result=7, state={"page": 2})
    async with real.open() as one, real.open() as two:
        forks = await asyncio.gather(
            *(store.workspace("work").fork("copy", version=version) for store in (one, two))
        )
        assert sorted(fork.repeated for fork in forks) == [False, True]
        copy = two.workspace("copy")
        assert await copy.artifacts.load("notes.txt") == b"one"
        assert await copy.artifacts.load("large.bin") == bytes(9 * MIB)
        back = await one.workspace("work").rewind(label="first")
        assert [effect.step for effect in back.effects] == ["send"]
        assert (await two.workspace("work").load()).state == {"page": 1}
        assert (await two.workspace("work").start_new_run(run=1)).run == 2
        assert (await one.workspace("work").start_new_run(run=1)).repeated
        kinds = [event.kind for event in (await one.workspace("work").history(limit=4)).items]
        assert kinds == ["new_run", "rewind", "forked", "done"]
