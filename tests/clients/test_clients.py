"""Real MCP clients, in both eras of the protocol, keep their work over stdio and HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.clients.agents import AUTO, CLIENTS, Agent, ClientKind, Target

pytestmark = pytest.mark.anyio

of_each_client = pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)

STATE = {"page": 3, "none": None, "rows": [1, None, 2.5, []], "text": "Ünï\u2028 🧭", "empty": {}}
GO = {"action": "accept", "content": {"decision": "approve", "comment": "go"}}


async def call(agent: Agent, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await agent.ask("tools/call", {"name": tool, "arguments": arguments})
    (content,) = result["content"]
    assert not result.get("isError"), content["text"]
    assert json.loads(content["text"]) == result["structuredContent"]
    return result["structuredContent"]


@of_each_client
async def test_a_client_saves_starts_marks_lists_asks_and_loads_over_http(
    client: ClientKind, target: Target, http: Target, workspace: str
) -> None:
    """Before 2026-07-28 its name is told in a handshake and dialogs open in the middle of a call,
    for both of which HTTP would need a session."""
    w = {"workspace": workspace}
    whole = client.protocol == AUTO or bool(target.command)
    async with client.connect(target, GO if client.dialogs else None) as agent:
        assert agent.protocol == client.protocol
        assert len((await agent.ask("tools/list", {}))["tools"]) == 15

        saved = await call(agent, "save_checkpoint", **w, state=STATE, label="one")
        assert saved["version"] == 1
        started = await call(agent, "start_step", **w, step="mail", input={"to": "ann"})
        assert started["decision"] == "run"
        marked = await call(
            agent,
            "mark_step_done",
            **w,
            step="mail",
            fencing_token=started["fencing_token"],
            result={"sent": True},
            state={"page": 4},
            merge=True,
        )
        assert (marked["status"], marked["state_saved"]) == ("done", True)
        again = await call(agent, "start_step", **w, step="mail", input={"to": "ann"})
        assert (again["decision"], again["result"]) == ("skip", {"sent": True})

        (step,) = (await call(agent, "list_steps", **w))["steps"]
        assert (step["name"], step["status"]) == ("mail", "done")
        listed = await call(agent, "list_checkpoints", **w)
        assert [line["version"] for line in listed["checkpoints"]] == [3, 1]
        named = await call(agent, "list_workspaces", prefix=workspace)
        assert [line["name"] for line in named["workspaces"]] == [workspace]
        asked = await call(agent, "request_approval", **w, name="deploy", question="Deploy?")
        approved = client.dialogs and whole
        assert asked.get("comment") == ("go" if approved else None)
        assert asked["status"] == ("approved" if approved else "pending")

    async with client.connect(http, None) as agent:
        loaded = await call(agent, "load_checkpoint", **w)
    assert loaded["state"] == {**STATE, "page": 4}
    assert list(loaded["state"]) == list(STATE)
    assert loaded["done"] == ["mail"]
    assert loaded["saved_by"]["name"] == (client.name if whole else "unknown client")


@of_each_client
async def test_a_client_is_told_what_was_wrong_with_a_call(
    client: ClientKind, http: Target
) -> None:
    async with client.connect(http, None) as agent:
        wrong = {"name": "load_checkpoint", "arguments": {"workspce": "job"}}
        refused = await agent.ask("tools/call", wrong)
    assert refused["isError"]
    assert "workspce" in refused["content"][0]["text"]


@of_each_client
async def test_a_client_reads_resources_prompts_and_completions(
    client: ClientKind, http: Target, workspace: str
) -> None:
    uri = f"safepoint://workspaces/{workspace}"
    async with client.connect(http, None) as agent:
        await call(agent, "save_checkpoint", workspace=workspace, state=STATE)
        listed = await agent.ask("resources/list", {})
        assert uri in [resource["uri"] for resource in listed["resources"]]
        (content,) = (await agent.ask("resources/read", {"uri": uri}))["contents"]
        assert json.loads(content["text"])["state"] == STATE

        asked = {"name": "resume-work", "arguments": {"workspace": workspace}}
        said, held = (await agent.ask("prompts/get", asked))["messages"]
        assert workspace in said["content"]["text"]
        assert json.loads(held["content"]["resource"]["text"])["state"] == STATE

        if client.completions:
            ref = {"type": "ref/prompt", "name": "resume-work"}
            entered = {"name": "workspace", "value": workspace[:20]}
            found = await agent.ask("completion/complete", {"ref": ref, "argument": entered})
            assert found["completion"]["values"] == [workspace]


@pytest.mark.parametrize(
    ("name", "where", "method"),
    [
        ("typescript-2-auto", "http", "subscriptions/listen"),
        ("typescript-1", "stdio", "resources/subscribe"),
    ],
)
async def test_a_client_is_told_of_changes(
    name: str, where: str, method: str, workspace: str, request: pytest.FixtureRequest
) -> None:
    uri = f"safepoint://workspaces/{workspace}"
    async with CLIENTS[name].connect(request.getfixturevalue(where), None) as agent:
        await agent.ask(method, {"uri": uri, "notifications": {"resourceSubscriptions": [uri]}})
        await call(agent, "save_checkpoint", workspace=workspace, state=STATE)
        assert (await agent.ask("notifications/resources/updated", {}))["uri"] == uri
