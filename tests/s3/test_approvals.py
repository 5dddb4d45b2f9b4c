"""People are asked and answer through a bucket of a real server, each in a process of their own."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.s3.bucket import Bucket

from safepoint import Actor, Conflict, Decision, PlannedStep

pytestmark = pytest.mark.anyio


async def test_a_step_waits_in_a_bucket_until_one_of_two_people_has_decided(real: Bucket) -> None:
    async with real.open() as asking:
        job = asking.workspace("job")
        await job.plan_steps([PlannedStep("ship", needs_approval=("deploy",))])
        await job.approvals.request("deploy", "Deploy?", subject={"commit": "abc"}, single_use=True)
        assert (await job.start_step("ship")).decision is Decision.BLOCKED
    async with real.open() as first, real.open() as second:
        (asked,) = (await first.inbox()).items
        assert (asked.workspace, asked.name) == ("job", "deploy")
        done = await asyncio.gather(
            *(
                store.workspace("job").approvals.decide(
                    "deploy", "approve", by=Actor(name), digest=asked.digest
                )
                for store, name in ((first, "ann"), (second, "ben"))
            ),
            return_exceptions=True,
        )
        (lost,) = [one for one in done if isinstance(one, Conflict)]
        winner = (await second.workspace("job").approvals.get("deploy")).decided_by
        assert winner is not None
        assert f"by {winner.name}" in lost.message
    async with real.open() as store:
        assert (await store.inbox()).items == ()
        (info,) = (await store.workspaces(status="due")).items
        assert [(due.kind, due.name) for due in info.due] == [
            ("decided", "deploy"),
            ("step", "ship"),
        ]
        started = await store.workspace("job").start_step("ship", lease=timedelta(minutes=1))
        assert started.decision is Decision.RUN
