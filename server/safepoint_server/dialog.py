"""A dialog that the client of a call shows to its person, in both eras of the protocol.

Earlier revisions: the server asks while the call waits. From 2026-07-28 on: the call is answered
with the question, and the client calls again with the answer and the state it was given. That state
is sealed, and bound to tool and arguments, by the SDK's request-state boundary (`states.py`).
"""

from __future__ import annotations

import json
from typing import Any, Final

import anyio
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequests,
    InputRequiredResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from safepoint.values import dataclass

__all__ = ["Answer", "Dialog", "InputNeeded"]

KEY: Final = "approval"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for the question `about`: accept (with content), decline or cancel; None when
    it was not answered."""

    about: str
    action: str | None = None
    content: dict[str, Any] | None = None


class InputNeeded(Exception):
    """The reply to this call is a question; the client calls again with the answer."""

    def __init__(self, result: InputRequiredResult) -> None:
        super().__init__("input required")
        self.result = result


@dataclass(frozen=True, slots=True)
class Dialog:
    """What the client of one call can be asked. `seconds` is how long a call waits for that."""

    context: Context[Any, Any]
    seconds: float

    @classmethod
    def of(cls, context: Context[Any, Any], seconds: float) -> Dialog | None:
        """None when this client, or the connection to it, cannot show forms."""
        capabilities = context.client_capabilities
        forms = capabilities.elicitation if capabilities is not None else None
        if forms is None or (forms.form is None and forms.url is not None):
            return None
        dialog = cls(context, seconds)
        return dialog if dialog._modern or context.session.can_send_request else None

    def brought(self) -> Answer | None:
        """The answer that this call brings to a question of an earlier one; None when it brings
        no state of ours, whatever else it brings."""
        state = self.context.request_state if self._modern else None
        if state is None:
            return None
        reply = (self.context.input_responses or {}).get(KEY)
        return _answer(str(json.loads(state)["about"]), reply)

    async def ask(self, message: str, schema: dict[str, Any], about: str) -> Answer:
        """The person's answer, or none when there was none in time.

        Raises:
            InputNeeded: the answer comes with another call, for whose `brought` it is.
        """
        params = ElicitRequestFormParams(message=message, requested_schema=schema)
        if self._modern:
            state = json.dumps({"about": about})
            requests: InputRequests = {KEY: ElicitRequest(params=params)}
            raise InputNeeded(InputRequiredResult(input_requests=requests, request_state=state))
        with anyio.move_on_after(self.seconds):
            try:
                reply = await self.context.session.elicit_form(
                    message, schema, self.context.request_context.request_id
                )
            except (MCPError, ValidationError):  # it refuses, is gone, or answers nonsense
                return Answer(about)
            return _answer(about, reply)
        return Answer(about)

    @property
    def _modern(self) -> bool:
        return self.context.protocol_version in MODERN_PROTOCOL_VERSIONS


def _answer(about: str, reply: object) -> Answer:
    if not isinstance(reply, ElicitResult):
        return Answer(about)
    given = {name: value for name, value in (reply.content or {}).items() if value is not None}
    return Answer(about, reply.action, given)
