"""The tool as the SDK runs it: check, call, reply or refuse, and one log line, whatever happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp.types import (
    CallToolResult,
    ContentBlock,
    InputRequiredResult,
    TextContent,
    ToolAnnotations,
)
from pydantic import PrivateAttr

from safepoint import SafepointError
from safepoint.format.jsontext import DEPTH_MAX, encode_json
from safepoint.observer import Facts, Observer, observed
from safepoint.values import dataclass
from safepoint_server.dialog import InputNeeded
from safepoint_server.errors import kind_of, refusal, unexpected
from safepoint_server.logs import call_line
from safepoint_server.tools.base import ToolSpec
from safepoint_server.tools.call import Call, identify
from safepoint_server.tools.check import check_arguments
from safepoint_server.tools.schema import input_schema, output_schema

__all__ = ["CheckedTool"]

logger = logging.getLogger(__name__)

NewCall = Callable[[Context[Any, Any]], Awaitable[Call]]


class CheckedTool(Tool):
    """Runs a ToolSpec. Replaces the SDK's own argument checks, error texts and indented text."""

    _checked: _Checked = PrivateAttr()

    @classmethod
    def of(
        cls, spec: ToolSpec[Any, Any], new_call: NewCall, observer: Observer | None = None
    ) -> CheckedTool:
        """The tool for `spec`; `new_call` makes the Call of each request. `observer` is told of
        each as `call` (facts: `tool`, `outcome`, `code` of an error, bytes `saved`)."""
        tool = cls(
            fn=spec.run,
            name=spec.name,
            title=None,
            description=spec.description,
            parameters=input_schema(spec.arguments),  # type: ignore[arg-type]  # a class is hashable
            fn_metadata=FuncMetadata(arg_model=spec.arguments),
            is_async=True,
            context_kwarg=None,
            annotations=ToolAnnotations(
                read_only_hint=spec.read_only,
                destructive_hint=spec.destructive,
                idempotent_hint=spec.idempotent or spec.read_only,
                open_world_hint=False,
            ),
        )
        tool._checked = _Checked(spec, new_call, observer)
        return tool

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        """Made when tools are listed: starting up has no time for it."""
        return output_schema(self._checked.spec.reply)

    async def run(
        self,
        arguments: dict[str, Any],
        context: Context[Any, Any],
        convert_result: bool = False,
    ) -> CallToolResult | InputRequiredResult:
        """See Tool.run. Every failure is a ToolError that a model can act on."""
        return await self._checked.run(arguments, context)


@dataclass(frozen=True, slots=True)
class _Checked:
    """What runs: apart from the tool, of which pydantic looks up everything that is private."""

    spec: ToolSpec[Any, Any]
    new_call: NewCall
    observer: Observer | None

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any]
    ) -> CallToolResult | InputRequiredResult:
        spec, started, identity = self.spec, time.perf_counter(), identify(context.request_id)
        call: Call | None = None
        facts: Facts = {"tool": spec.name, "outcome": "cancelled"}
        with observed(self.observer, "call", facts):
            try:
                call = await self.new_call(context)
                call.scope = spec.scope
                call.access.require(spec.scope, spec.name)
                checked = check_arguments(spec.name, spec.arguments, arguments)
                reply = await spec.run(checked, call)
                result = _result(reply.data(), reply.attached())
                facts["outcome"] = "ok"
                return result
            except InputNeeded as needed:
                facts["outcome"] = "asked"
                return needed.result
            except SafepointError as error:
                facts |= {"outcome": kind_of(error), "code": error.code}
                raise refusal(error) from None
            except Exception as error:
                facts |= {"outcome": "failed", "code": "internal"}
                incident = identity["call"]
                logger.error("incident %s in %s", incident, spec.name, exc_info=error)
                raise unexpected(incident) from None
            finally:
                told = {} if call is None else call.told()
                if spec.event == "save" and "bytes" in told:
                    facts["saved"] = told["bytes"]
                elapsed = (time.perf_counter() - started) * 1000
                outcome = str(facts.get("code", facts["outcome"]))
                call_line(spec.event, outcome, {**told, "ms": round(elapsed, 2), **identity})


def _result(data: dict[str, Any], attached: list[ContentBlock]) -> CallToolResult:
    """The same JSON twice: clients show the model either the structure or the text."""
    text = encode_json(data, max_depth=DEPTH_MAX).decode()
    return CallToolResult(
        content=[TextContent(type="text", text=text), *attached],
        structured_content=data,
        is_error=False,
    )
