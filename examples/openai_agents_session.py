"""The OpenAI Agents SDK on a workspace: a conversation, a refund, and a person in between.

    python examples/openai_agents_session.py        (needs safepoint[openai-agents], no network)

One process talks with an agent until it wants to pay money back, which a person must allow; it
saves the run and ends. A person approves with `safepoint approve`. Another process resumes the
run, and the refund is paid once, although a third one tries to resume it too.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from safepoint import Conflict, Store
from safepoint.integrations.openai_agents import SafepointSession, load_run_state, save_run_state

set_tracing_disabled(True)


def agent_for(folder: Path) -> Agent[Any]:
    @function_tool(needs_approval=True)
    def refund(order: int) -> str:
        """Pay an order back."""
        with (folder / "paid").open("a") as book:  # the effect outside
            book.write(f"{order}\n")
        return f"Order {order} is paid back."

    return Agent(name="Clerk", model=Script(), tools=[refund])


async def ask(folder: Path) -> None:
    async with Store.open(folder / "store", key_file=folder / "key") as store:
        session = SafepointSession("customer-7", store)
        await Runner.run(agent_for(folder), "Hello", session=session)
        result = await Runner.run(agent_for(folder), "Refund order 7", session=session)
        if result.interruptions:
            await save_run_state(session.workspace, result)


async def resume(folder: Path) -> None:
    async with Store.open(folder / "store", key_file=folder / "key") as store:
        session = SafepointSession("customer-7", store)
        agent = agent_for(folder)
        try:
            state = await load_run_state(session.workspace, agent)
        except Conflict as conflict:
            print(conflict.code)  # nobody has answered yet, or somebody else resumes it
            return
        result = await Runner.run(agent, state, session=session)
        print(result.final_output, f"({len(await session.get_items())} items)")


class Script(Model):
    """Stands for a language model: greets, asks for the refund, says what came of it."""

    async def get_response(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        newest = input[-1] if isinstance(input, list) else {"content": input}
        if "output" in newest:
            return self.reply(newest["output"])
        if "Refund" not in newest["content"]:
            return self.reply("Good morning!")
        call = ResponseFunctionToolCall(
            call_id="call_7", name="refund", arguments='{"order": 7}', type="function_call"
        )
        return ModelResponse(output=[call], usage=Usage(), response_id=None)

    def reply(self, text: str) -> ModelResponse:
        part = ResponseOutputText(text=text, type="output_text", annotations=[])
        message = ResponseOutputMessage(
            id="msg", content=[part], role="assistant", status="completed", type="message"
        )
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError("this example does not stream")


def process(*command: str) -> str:
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        safepoint = ["-m", "safepoint_server.cli"]
        place = ["--store", f"{name}/store", "--key-file", f"{name}/key"]
        process(__file__, name, "ask")
        assert process(__file__, name, "resume") == "approvals_pending"

        question = json.loads(process(*safepoint, "inbox", "--json", *place))["approvals"][0]
        print("a person is asked:", question["question"], question["details"])
        process(
            *safepoint, "approve", "customer-7", "call_7", "--digest", question["digest"], *place
        )

        resumed = process(__file__, name, "resume")
        print("the next process: ", resumed)
        assert resumed == "Order 7 is paid back. (6 items)"
        assert process(__file__, name, "resume") == "run_state_taken"
        assert (Path(name) / "paid").read_text() == "7\n"
    print("Asked, approved, resumed, and paid back: done once.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run({"ask": ask, "resume": resume}[sys.argv[2]](Path(sys.argv[1])))
    else:
        main()
