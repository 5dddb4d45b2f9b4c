"""Sessions and interrupted runs of the OpenAI Agents SDK in a bucket of a real server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import Runner
from tests.integrations.openai_agents.script import refunding
from tests.s3.bucket import Bucket

from safepoint import Conflict
from safepoint.integrations.openai_agents import SafepointSession, load_run_state, save_run_state

pytestmark = pytest.mark.anyio


async def test_two_replicas_pop_each_item_once_and_resume_a_run_once(real: Bucket) -> None:
    paid: list[int] = []
    agent = refunding(lambda order: str(paid.append(order)))
    items: list[Any] = [{"role": "user", "content": str(n)} for n in range(4)]
    async with real.open(pages="off") as one, real.open(pages="off") as other:
        sessions = [SafepointSession("desk", store) for store in (one, other)]
        await sessions[0].add_items(items)
        popped = await asyncio.gather(*(session.pop_item() for session in sessions))
        assert sorted(str(item["content"]) for item in popped if item) == ["2", "3"]
        assert await sessions[1].get_items() == items[:2]

        result = await Runner.run(agent, "Pay me back", session=sessions[0])
        await save_run_state(sessions[0].workspace, result)
        await sessions[1].workspace.approvals.decide("call_7", "approve")
        state = await load_run_state(sessions[1].workspace, agent)
        with pytest.raises(Conflict, match="was taken"):
            await load_run_state(sessions[0].workspace, agent)
        await Runner.run(agent, state, session=sessions[1])
    assert paid == [7]
