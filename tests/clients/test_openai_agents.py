"""An agent of the OpenAI Agents SDK, with a scripted model, works through the server's tools."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agents import Agent, Runner
from tests.clients.agents import Target, openai_server
from tests.integrations.openai_agents.script import Scripted, called, outputs, said

pytestmark = pytest.mark.anyio


async def test_a_run_calls_tools_and_its_model_reads_what_they_say(
    http: Target, workspace: str
) -> None:
    calls = [
        called("saved", "save_checkpoint", workspace=workspace, state={"page": 3}),
        called("wrong", "mark_step_done", workspace=workspace, step="mail"),
        called("loaded", "load_checkpoint", workspace=workspace),
    ]

    def answer(items: Any) -> list[Any]:
        done = outputs(items)
        return [calls[len(done)]] if len(done) < len(calls) else [said("Done")]

    model = Scripted(answer)
    async with openai_server(http) as server:
        agent = Agent(name="Worker", model=model, mcp_servers=[server])
        assert (await Runner.run(agent, "Go on")).final_output == "Done"
    read = {name: part["text"] for name, (part,) in outputs(model.seen[-1]).items()}
    assert json.loads(read["saved"])["version"] == 1
    assert "call start_step before the work. [step_not_found]" in read["wrong"]
    assert json.loads(read["loaded"])["state"] == {"page": 3}
