"""A client that does not wait for the answer: what is not committed by then never is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from safepoint import Store
from safepoint.format.keys import log_key
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import GatedObjects

pytestmark = pytest.mark.anyio


async def test_a_cancelled_save_is_not_committed_and_holds_nobody_up(agent_on: Any) -> None:
    objects = GatedObjects(MemoryObjects())
    async with Store.open(objects) as store, agent_on(store) as agent:
        await agent.call("save_checkpoint", workspace="w", state=1)
        gate = objects.hold("put", log_key("w", 2))
        given_up = asyncio.create_task(agent.call("save_checkpoint", workspace="w", state=2))
        await gate.reached.wait()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        saved = await agent.call("save_checkpoint", workspace="w", state=3)
        gate.open()
        loaded = await agent.call("load_checkpoint", workspace="w")
    assert (saved["version"], loaded["version"], loaded["state"]) == (2, 2, 3)


async def test_a_cancelled_save_whose_commit_was_made_is_told_to_a_repeat(agent_on: Any) -> None:
    objects = GatedObjects(MemoryObjects())
    again = {"workspace": "w", "state": 2, "request_id": "once"}
    async with Store.open(objects) as store, agent_on(store) as agent:
        await agent.call("save_checkpoint", workspace="w", state=1)
        gate = objects.hold("put", log_key("w", 2), acted=True)
        given_up = asyncio.create_task(agent.call("save_checkpoint", **again))
        await gate.reached.wait()
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        saved = await agent.call("save_checkpoint", **again)
    assert (saved["version"], saved["repeated"]) == (2, True)
