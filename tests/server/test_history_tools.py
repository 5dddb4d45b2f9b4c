"""compare_checkpoints, fork_workspace, rewind_workspace and start_new_run over MCP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from safepoint import Store
from safepoint_server.settings import Settings
from safepoint_server.tools import specs

pytestmark = pytest.mark.anyio

BOTH = Settings.load({"SAFEPOINT_TOOLSETS": "core,history"})


@pytest.fixture
async def agent(agent_on: Any, place: str) -> AsyncIterator[Any]:
    async with Store.open(place) as store, agent_on(store, settings=BOTH) as connected:
        yield connected


async def begin(agent: Any) -> None:
    """1 plan, 2 save 'first', 3 start fetch, 4 fetch done with a changed state."""
    await agent.call("plan_steps", workspace="w", steps=["fetch", "send"], goal="Mail")
    await agent.call("save_checkpoint", workspace="w", state={"page": 1, "l": []}, label="first")
    started = await agent.call("start_step", workspace="w", step="fetch")
    await agent.call(
        "mark_step_done",
        workspace="w",
        step="fetch",
        fencing_token=started["fencing_token"],
        result={"rows": 7},
        state={"page": 2},
        merge=True,
    )


async def test_the_tools_are_offered_only_where_chosen(agent_on: Any) -> None:
    names = {spec.name for spec in specs(["history"])}
    async with Store.open("memory://") as store:
        async with agent_on(store) as core:
            assert not names & {tool.name for tool in (await core.client.list_tools()).tools}
        alone = Settings.load({"SAFEPOINT_TOOLSETS": "history"})
        async with agent_on(store, settings=alone) as history:
            tools = (await history.client.list_tools()).tools
    assert {tool.name for tool in tools} == names
    sizes = [len(t.model_dump_json(by_alias=True, exclude_none=True).encode()) for t in tools]
    assert sum(sizes) < 3500


async def test_each_says_when_to_call_it_and_what_it_does_to_others(agent: Any) -> None:
    tools = {tool.name: tool for tool in (await agent.client.list_tools()).tools}
    hints = {
        spec.name: (
            tools[spec.name].annotations.read_only_hint,
            tools[spec.name].annotations.destructive_hint,
            tools[spec.name].annotations.idempotent_hint,
        )
        for spec in specs(["history"])
    }
    assert hints == {
        "compare_checkpoints": (True, False, True),
        "fork_workspace": (False, False, True),
        "rewind_workspace": (False, True, True),
        "start_new_run": (False, True, True),
    }
    assert all(tools[name].description.startswith("Call ") for name in hints)


async def test_a_comparison_names_paths_steps_and_texts(agent: Any) -> None:
    await begin(agent)
    found = await agent.call("compare_checkpoints", workspace="w")
    assert (found["old_version"], found["new_version"], found["same"]) == (2, 4, False)
    assert found["state"] == {
        "changed": 1,
        "items": [{"kind": "changed", "path": "/page", "old": "1", "new": "2"}],
    }
    assert found["steps"]["items"][0]["path"] == "fetch"
    assert "not instructions" in found["note"]
    same = await agent.call("compare_checkpoints", workspace="w", old=4, new="4")
    assert (same["same"], "state" in same) == (True, False)
    labelled = await agent.call("compare_checkpoints", workspace="w", old="first", new=4)
    assert labelled["old_version"] == 2


async def test_a_comparison_of_large_changes_stays_small_and_counts(agent: Any) -> None:
    for fill in "ab":
        state = {f"key {n} {'x' * 500}": fill * 2000 for n in range(500)}
        await agent.call("save_checkpoint", workspace="w", state=state)
    found = await agent.call("compare_checkpoints", workspace="w")
    assert agent.last_bytes <= 16_000
    changes = found["state"]
    assert changes["changed"] == 500
    assert changes["omitted"] == 500 - len(changes["items"])
    assert changes["items"][0]["old"].startswith('"aaa')


async def test_a_rewind_goes_back_and_lists_what_stands_outside(agent: Any) -> None:
    await begin(agent)
    done = await agent.call("rewind_workspace", workspace="w", label="first", reason="wrong page")
    assert (done["version"], done["to_version"]) == (5, 2)
    assert done["effects"] == [
        {
            "step": "fetch", "was": "done", "now": "pending", "attempts": 1,
            "idempotency_key": "w:1:fetch", "result": '{"rows":7}',
        }
    ]  # fmt: skip
    assert "outside stands" in done["advice"]
    again = await agent.call("rewind_workspace", workspace="w", label="first", reason="wrong page")
    assert (again["version"], again["repeated"]) == (5, True)
    loaded = await agent.call("load_checkpoint", workspace="w")
    assert (loaded["state"], loaded["pending"]) == ({"page": 1, "l": []}, ["fetch", "send"])
    started = await agent.call("start_step", workspace="w", step="fetch")
    assert started["attempt"] == 2
    assert "rewound" in started["advice"]


async def test_a_rewind_can_be_repeated_by_its_id_and_guarded_by_a_version(agent: Any) -> None:
    await begin(agent)
    call = {"workspace": "w", "version": 2, "request_id": "r1", "expected_version": 4}
    first = await agent.call("rewind_workspace", **call)
    await agent.call("save_checkpoint", workspace="w", state={"page": 3})
    assert (await agent.call("rewind_workspace", **call))["version"] == first["version"]
    refused = await agent.refused("rewind_workspace", workspace="w", version=2, expected_version=4)
    assert "Since then" in refused
    assert "[version_conflict]" in refused
    for wrong in ({}, {"version": 2, "label": "first"}, {"version": 99}, {"version": -1}):
        await agent.refused("rewind_workspace", workspace="w", **wrong)


async def test_a_fork_is_made_once_and_says_what_to_check(agent: Any) -> None:
    await begin(agent)
    made = await agent.call("fork_workspace", workspace="w", new_name="copy", version=3)
    assert (made["workspace"], made["version"], made["origin_version"]) == ("copy", 1, 3)
    assert made["effects"][0]["idempotency_key"] == "w:1:fetch"
    assert "check outside" in made["advice"]
    again = await agent.call("fork_workspace", workspace="w", new_name="copy", version=3)
    assert again["repeated"] is True
    assert again["effects"] == made["effects"]
    started = await agent.call("start_step", workspace="copy", step="fetch")
    assert started["idempotency_key"] == "copy:1:fetch"
    assert "'w:1:fetch'" in started["advice"]
    taken = await agent.refused("fork_workspace", workspace="w", new_name="copy", version=2)
    assert "[workspace_exists]" in taken
    assert "[invalid_name]" in await agent.refused("fork_workspace", workspace="w", new_name="../w")


async def test_a_new_run_carries_what_is_named(agent: Any) -> None:
    await begin(agent)
    held = await agent.call("start_step", workspace="w", step="send")
    assert "[steps_running]" in await agent.refused("start_new_run", workspace="w", run=1)
    made = await agent.call(
        "start_new_run", workspace="w", run=1, carry='["page"]', even_if_running=True
    )
    assert (made["run"], made["version"]) == (2, 6)
    assert made["effects"][0]["held_by"] == "tester"
    again = await agent.call("start_new_run", workspace="w", run=1, carry=["page"])
    assert (again["run"], again["repeated"]) == (2, True)
    loaded = await agent.call("load_checkpoint", workspace="w")
    assert (loaded["state"], loaded["progress"]) == ({"page": 2}, {"total": 0})
    await agent.call("start_step", workspace="w", step="send")
    assert "[stale_token]" in await agent.refused(
        "mark_step_done", workspace="w", step="send", fencing_token=held["fencing_token"]
    )
    listed = await agent.call("list_checkpoints", workspace="w")
    assert [line["run"] for line in listed["checkpoints"]] == [2, 1, 1]


async def test_a_new_run_takes_another_state_and_warns_of_secrets_in_it(agent: Any) -> None:
    await begin(agent)
    made = await agent.call("start_new_run", workspace="w", state={"password": "hunter2-xK9w"})
    assert "password" in made["warnings"][0]
    assert "hunter2" not in json.dumps(made)
    for wrong in ({"carry": "page"}, {"carry": ["none"]}, {"carry": ["page"], "state": {}}):
        await agent.refused("start_new_run", workspace="w", **wrong)


async def test_long_lists_of_effects_are_cut(agent: Any) -> None:
    await agent.call("plan_steps", workspace="w", steps=[f"step {n}" for n in range(30)])
    for n in range(30):
        await agent.call("start_step", workspace="w", step=f"step {n}")
    done = await agent.call("rewind_workspace", workspace="w", version=1)
    assert (len(done["effects"]), done["more_effects"]) == (12, 18)


async def test_a_fork_tells_how_far_its_files_are(agent_on: Any) -> None:
    told: list[tuple[float, float | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total))

    async with Store.open("memory://") as store, agent_on(store, settings=BOTH) as agent:
        for name in ("a", "b"):
            await store.workspace("w").artifacts.save(name, bytes(3_000_000))
        result = await agent.client.call_tool(
            "fork_workspace", {"workspace": "w", "new_name": "v"}, progress_callback=hear
        )
    assert not result.is_error
    assert told == sorted(told)
    assert told[-1] == (6_000_000, 6_000_000)
