"""A model that answers as it is told, from the items it is shown: no network, no keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import Agent, Model, ModelResponse, Usage, function_tool, set_tracing_disabled
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

set_tracing_disabled(True)


def said(text: str) -> ResponseOutputMessage:
    part = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(
        id=f"msg_{len(text)}", content=[part], role="assistant", status="completed", type="message"
    )


def called(call_id: str, tool: str, **arguments: Any) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        arguments=json.dumps(arguments), call_id=call_id, name=tool, type="function_call"
    )


def outputs(items: Any) -> dict[str, Any]:
    """What tools returned, by the id of the call."""
    return {
        item["call_id"]: item["output"]
        for item in items
        if isinstance(item, dict) and item.get("type") == "function_call_output"
    }


class Scripted(Model):
    """`answer` gets the items and gives the output. `seen` has the items of each request."""

    def __init__(self, answer: Callable[[Any], list[Any]]) -> None:
        self.answer = answer
        self.seen: list[Any] = []
        self.response_id: str | None = None

    async def get_response(
        self, system_instructions: Any, input: Any, *args: Any, **kwargs: Any
    ) -> ModelResponse:
        self.seen.append(input)
        return ModelResponse(output=self.answer(input), usage=Usage(), response_id=self.response_id)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise AssertionError("nothing here streams")


def counting() -> Scripted:
    """Says how many items it was shown."""
    return Scripted(lambda items: [said(f"seen {1 if isinstance(items, str) else len(items)}")])


def refunding(effect: Callable[[int], str], *orders: int) -> Agent[Any]:
    """An agent that asks to refund each order, and then tells what came of it."""
    wanted = orders or (7,)

    def answer(items: Any) -> list[Any]:
        done = outputs(items)
        if not done:
            return [called(f"call_{order}", "refund", order=order) for order in wanted]
        return [said("; ".join(done.values()))]

    @function_tool(needs_approval=True)
    def refund(order: int) -> str:
        return effect(order)

    return Agent(name="Clerk", model=Scripted(answer), tools=[refund])
