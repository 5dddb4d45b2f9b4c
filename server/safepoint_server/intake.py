"""What is read of a request's body before anything looks at it: all of it, in time, up to a limit.

The SDK's own reader has no time limit, and drops what is nested deeply without telling the model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

import mcp_types as types
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from safepoint_server.wire import Line, Refused, answer, parse

__all__ = ["Intake"]

BODY_SECONDS: Final = 60.0
"""How long the body of one request may take to arrive."""
_BRACKETS: Final = 128
"""JSON with fewer of them cannot be nested more deeply than the SDK reads."""
_LARGE: Final = 256 * 1024


class Intake:
    """Middleware. MCP is posted to `path`: without sessions there is no stream to get there."""

    def __init__(
        self, app: ASGIApp, path: str, max_bytes: int, seconds: float = BODY_SECONDS
    ) -> None:
        self._app = app
        self._path = path
        self._max = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != self._path:
            await self._app(scope, receive, send)
            return
        if scope["method"] != "POST":
            refusal: Response | None = Response(status_code=405, headers={"Allow": "POST"})
        elif int(Headers(scope=scope).get("content-length", 0)) > self._max:
            refusal = self._too_large()
        else:
            body, refusal = await self._read(receive)
        if refusal is None:
            refusal = await _unreadable(body)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return given.pop() if given else await receive()

        await self._app(scope, replay, send)

    async def _read(self, receive: Receive) -> tuple[bytes, Response | None]:
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return b"", Response(status_code=400)  # it is gone
                    body += message.get("body", b"")
                    if len(body) > self._max:
                        return b"", self._too_large()
                    if not message.get("more_body", False):
                        return bytes(body), None
        except TimeoutError:
            text = f"The body did not arrive within {self._seconds:.0f} seconds."
            return b"", _error(408, types.INVALID_REQUEST, text, ("Connection",))

    def _too_large(self) -> Response:
        """Without closing: what still comes is thrown away for a while (see HEADER_SECONDS), as a
        client that finds its connection closed while it sends does not read this answer."""
        text = (
            f"The message has more than the {self._max} bytes that this server reads "
            "(SAFEPOINT_MAX_REQUEST_BYTES). Save less at once, for example with merge=true."
        )
        return _error(413, types.INVALID_REQUEST, text)


async def _unreadable(body: bytes) -> Response | None:
    """The answer to what is nested too deeply to be read, for the model where it called a tool."""
    if body.count(b"[") + body.count(b"{") < _BRACKETS:
        return None
    line = Line(body)
    try:
        if len(body) > _LARGE:
            await asyncio.to_thread(parse, body)
        else:
            parse(body)
    except Refused as refused:
        reply = answer(line, refused)
        if isinstance(reply, types.JSONRPCResponse):
            return _json(200, reply)
        return _error(400, refused.code, refused.text)
    return None


def _error(status: int, code: int, text: str, closes: Iterable[str] = ()) -> Response:
    error = types.ErrorData(code=code, message=text)
    reply = types.JSONRPCError(jsonrpc="2.0", id=None, error=error)
    return _json(status, reply, closes)


def _json(status: int, reply: types.JSONRPCMessage, closes: Iterable[str] = ()) -> Response:
    """What is not read to its end leaves a connection of no further use."""
    content = reply.model_dump_json(by_alias=True, exclude_unset=True)
    headers = dict.fromkeys(closes, "close")
    return Response(content, status, headers, media_type="application/json")
