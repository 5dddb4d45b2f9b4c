"""What the rest of Safepoint makes of sessions and run states: MCP, copies, exports, verify."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from agents import Runner
from mcp import Client
from tests.integrations.openai_agents.script import refunding
from tests.place import Place

from safepoint import NotFound, RetentionPolicy, Store
from safepoint.crypto.keyring import KeyFile
from safepoint.integrations.openai_agents import SafepointSession, load_run_state, save_run_state
from safepoint.transfer import copy_workspaces, export_workspace, import_workspace
from safepoint_server.access import OneStore
from safepoint_server.app import create_server
from safepoint_server.settings import Settings

pytestmark = pytest.mark.anyio

ITEMS: list[Any] = [{"role": "user", "content": text} for text in ("Hello", "Still there?")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("era", ["auto", "legacy"])
async def test_an_agent_sees_a_session_by_its_tools_and_may_go_on_in_it(
    place: Place, era: Any
) -> None:
    async with (
        place.process() as store,
        Client(create_server(OneStore(store), store, Settings.load({})), mode=era) as mcp,
    ):
        session = SafepointSession("chat", store)
        await session.add_items(ITEMS)
        loaded = await mcp.call_tool("load_checkpoint", {"workspace": "chat"})
        assert loaded.structured_content is not None
        assert loaded.structured_content["state"] == ITEMS
        chosen = await mcp.call_tool(
            "load_checkpoint", {"workspace": "chat", "select": "[-1].content"}
        )
        assert chosen.structured_content is not None
        assert chosen.structured_content["state"] == "Still there?"
        await mcp.call_tool("save_checkpoint", {"workspace": "chat", "state": ITEMS[:1]})
        assert await session.get_items() == ITEMS[:1]


async def interrupted(store: Store) -> Any:
    agent = refunding(str)
    await store.workspace("desk").save(ITEMS)
    await save_run_state(store.workspace("desk"), await Runner.run(agent, "Pay me back"))
    await store.workspace("desk").approvals.decide("call_7", "approve")
    return agent


async def test_a_copy_holds_the_run_state_and_its_answers(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").write_text(KeyFile(bytes(32)).text())
    there = Store.open(tmp_path / "there", key_file=tmp_path / "other")
    async with place.process() as store, there as copy:
        agent = await interrupted(store)
        await copy_workspaces(store, copy, ["desk"])
        result = await Runner.run(agent, await load_run_state(copy.workspace("desk"), agent))
    assert result.final_output == "7"


async def test_an_export_holds_the_items_and_not_the_run_state(
    place: Place, tmp_path: Path
) -> None:
    async with place.process() as store:
        agent = await interrupted(store)
        await export_workspace(store, "desk", tmp_path / "desk")
        await import_workspace(store, tmp_path / "desk", name="again")
        assert await SafepointSession("again", store).get_items() == ITEMS
        with pytest.raises(NotFound, match="no run state"):
            await load_run_state(store.workspace("again"), agent)


async def test_a_run_state_outlives_retention_and_is_verified(place: Place) -> None:
    async with place.process() as store:
        agent = await interrupted(store)
        session = SafepointSession("desk", store)
        for n in range(600):
            await session.add_items([{"role": "user", "content": str(n)}])
    place.now += timedelta(days=3)
    async with place.process() as store:
        desk = store.workspace("desk")
        pruned = await desk.retention.prune(RetentionPolicy(keep_last=5))
        assert pruned.versions > 500
        assert (await desk.verify()).ok
        await load_run_state(desk, agent)
        assert len(await SafepointSession("desk", store).get_items()) == 602
