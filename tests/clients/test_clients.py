"""Real MCP clients, in both eras of the protocol, keep their work over stdio and HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.clients.agents import AUTO, CLIENTS, Agent, ClientKind, Target

pytestmark = pytest.mark.anyio

STATE = {"page": 3, "none": None, "rows": [1, None, 2.5, []], "text": "Ünï\u2028 🧭", "empty": {}}
DIALOGS = [name for name, kind in CLIENTS.items() if kind.dialogs]


@pytest.fixture
def client(request: pytest.FixtureRequest) -> ClientKind:
    return CLIENTS[request.param]


async def call(agent: Agent, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await agent.ask("tools/call", {"name": tool, "arguments": arguments})
    (content,) = result["content"]
    assert not result.get("isError"), content["text"]
    assert json.loads(content["text"]) == result["structuredContent"]
    return result["structuredContent"]


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
async def test_a_client_saves_loads_starts_marks_and_lists(
    client: ClientKind, target: Target, workspace: str
) -> None:
    w = {"workspace": workspace}
    known = client.protocol == AUTO or target.command  # else its name is only in the handshake
    async with client.connect(target, None) as agent:
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

    async with client.connect(target, None) as agent:
        loaded = await call(agent, "load_checkpoint", **w)
        assert loaded["state"] == {**STATE, "page": 4}
        assert list(loaded["state"]) == list(STATE)
        assert loaded["done"] == ["mail"]
        assert loaded["saved_by"]["name"] == (client.name if known else "unknown client")


@pytest.mark.parametrize("client", CLIENTS, indirect=True)
async def test_a_client_is_told_what_was_wrong_with_a_call(
    client: ClientKind, http: Target
) -> None:
    async with client.connect(http, None) as agent:
        wrong = {"name": "load_checkpoint", "arguments": {"workspce": "job"}}
        refused = await agent.ask("tools/call", wrong)
    assert refused["isError"]
    assert "workspce" in refused["content"][0]["text"]


@pytest.mark.parametrize("client", DIALOGS, indirect=True)
async def test_a_person_answers_in_the_dialog_of_the_client_where_it_can_be_shown(
    client: ClientKind, target: Target, workspace: str
) -> None:
    """Before 2026-07-28 the server asks in the middle of a call, for which HTTP needs a session."""
    person = {"action": "accept", "content": {"decision": "approve", "comment": "go"}}
    shown = client.protocol == AUTO or bool(target.command)
    async with client.connect(target, person) as agent:
        told = await call(
            agent, "request_approval", workspace=workspace, name="deploy", question="Deploy?"
        )
    assert told["status"] == ("approved" if shown else "pending")
    assert told.get("comment") == ("go" if shown else None)
