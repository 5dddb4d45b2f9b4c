"""Lists page by cursor, and a page is never large."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio


async def pages(agent, tool: str, key: str, **arguments) -> list[dict]:
    found: list[dict] = []
    cursor: dict[str, str] = {}
    while True:
        reply = await agent.call(tool, **arguments, **cursor)
        assert agent.last_bytes <= 30_000
        found += reply[key]
        if "next_cursor" not in reply:
            return found
        cursor = {"cursor": reply["next_cursor"]}


async def test_checkpoints_come_newest_first_page_by_page(agent) -> None:
    for number in range(1, 8):
        await agent.call("save_checkpoint", workspace="w", state=number, summary=f"s{number}")
    found = await pages(agent, "list_checkpoints", "checkpoints", workspace="w", limit=3)
    assert [line["version"] for line in found] == [7, 6, 5, 4, 3, 2, 1]
    assert found[0]["summary"] == "s7"
    assert found[0]["saved_by"] == "tester"


async def test_a_page_that_would_be_large_is_shorter_and_nothing_is_lost(agent) -> None:
    for number in range(1, 61):
        await agent.call(
            "save_checkpoint", workspace="w", state=number, summary="ü" * 400, label="é" * 200
        )
    found = await pages(agent, "list_checkpoints", "checkpoints", workspace="w", limit=100)
    assert [line["version"] for line in found] == list(range(60, 0, -1))


async def test_workspaces_are_listed_by_prefix_and_status(agent) -> None:
    for name in ("app-one", "app-two", "other"):
        await agent.call("save_checkpoint", workspace=name, state={}, next_action=f"go {name}")
    started = await agent.call("start_step", workspace="other", step="only")
    await agent.call(
        "mark_step_done", workspace="other", step="only", fencing_token=started["fencing_token"]
    )
    found = await pages(agent, "list_workspaces", "workspaces", limit=1)
    assert [line["name"] for line in found] == ["app-one", "app-two", "other"]
    assert found[0]["next_action"] == "go app-one"
    some = await agent.call("list_workspaces", prefix="app-")
    assert [line["name"] for line in some["workspaces"]] == ["app-one", "app-two"]
    done = await agent.call("list_workspaces", status="done")
    assert [line["name"] for line in done["workspaces"]] == ["other"]


async def test_an_empty_store_has_no_workspaces(agent) -> None:
    assert await agent.call("list_workspaces") == {"workspaces": []}


async def test_steps_are_listed_in_order_by_status(agent) -> None:
    names = [f"s{number}" for number in range(12)]
    await agent.call("plan_steps", workspace="w", steps=names)
    await agent.call("start_step", workspace="w", step="s4")
    found = await pages(agent, "list_steps", "steps", workspace="w", limit=5)
    assert [line["name"] for line in found] == names
    running = await agent.call("list_steps", workspace="w", status="running")
    assert [line["name"] for line in running["steps"]] == ["s4"]


@pytest.mark.parametrize("tool", ["list_checkpoints", "list_steps", "load_checkpoint"])
async def test_an_unknown_workspace_is_refused(agent, tool: str) -> None:
    assert "[workspace_not_found]" in await agent.refused(tool, workspace="nowhere")


@pytest.mark.parametrize("tool", ["list_checkpoints", "list_steps", "list_workspaces"])
@pytest.mark.parametrize("cursor", ["nonsense", "-1", "../x", "9" * 500, "\n"])
async def test_a_made_up_cursor_harms_nothing(agent, tool: str, cursor: str) -> None:
    await agent.call("plan_steps", workspace="w", steps=["a"])
    arguments = {} if tool == "list_workspaces" else {"workspace": "w"}
    result = await agent.client.call_tool(tool, {**arguments, "cursor": cursor})
    text = result.content[0].text
    assert not result.is_error or "Next: " in text
    assert "[internal]" not in text
