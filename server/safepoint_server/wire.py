"""What arrives on stdin: bytes to lines to messages, and the answer to lines that are none. Pure.

The SDK reads lines of any length and drops what it cannot parse, so that its client waits for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import mcp_types as types
from pydantic import ValidationError

from safepoint.values import dataclass

__all__ = ["Line", "Lines", "Refused", "answer", "parse"]

HEAD_BYTES: Final = 64 * 1024
TAIL_BYTES: Final = 4 * 1024
BOM: Final = b"\xef\xbb\xbf"
TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
MEMBER: Final = re.compile(rb'\s*:\s*("(?:[^"\\]|\\.)*+"|-?[0-9]{1,20}(?![0-9.eE]))', re.DOTALL)
LAST_ID: Final = re.compile(
    rb'"id"\s*:\s*("(?:[^"\\]|\\.)*+"|-?[0-9]{1,20})\s*'
    rb'(?:,\s*"(?:jsonrpc|method)"\s*:\s*"[^"\\]*"\s*)*\}\s*\Z'
)
MODERN: Final = types.PROTOCOL_VERSION_META_KEY.encode()


@dataclass(frozen=True, slots=True)
class Line:
    """One line. Of one that is too long only its beginning and end are kept, and its size."""

    head: bytes
    tail: bytes = b""
    size: int = 0

    @property
    def whole(self) -> bool:
        return not self.size


class Lines:
    """Cuts chunks into lines and keeps at most about `max_bytes` of them in memory."""

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._held = bytearray()
        self._tail = bytearray()
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The lines that this chunk completes, without their line ends; blank ones are dropped."""
        *complete, rest = chunk.split(b"\n")
        for part in complete:
            self._add(part)
            line = self._take()
            if line.size or line.head.strip():
                yield line
        self._add(rest)

    def _add(self, part: bytes) -> None:
        if not self._size:
            self._held += part
            if len(self._held) > self._max:
                self._size = len(self._held)
                self._tail += self._held[-TAIL_BYTES:]
                del self._held[HEAD_BYTES:]
        else:
            self._size += len(part)
            self._tail += part[-TAIL_BYTES:]
            del self._tail[:-TAIL_BYTES]

    def _take(self) -> Line:
        line = Line(bytes(self._held), bytes(self._tail), self._size)
        self._held, self._tail, self._size = bytearray(), bytearray(), 0
        return line


class Refused(Exception):
    """A line that is no message: the JSON-RPC code and what is wrong, never what it holds."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def parse(line: bytes) -> types.JSONRPCMessage:
    """The message on this line.

    Raises:
        Refused: it is not JSON, or not a JSON-RPC message.
    """
    try:
        message = types.jsonrpc_message_adapter.validate_json(line.removeprefix(BOM), by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise _refused(str(first["type"]), str(first["msg"])) from None
    if isinstance(message, types.JSONRPCNotification) and b'"id"' in line:
        found = json.loads(line.removeprefix(BOM)).get("id")
        if found is not None:
            raise Refused(types.INVALID_REQUEST, "The id of a request is text or a whole number.")
    return message


def _refused(kind: str, message: str) -> Refused:
    if kind != "json_invalid":
        return Refused(types.INVALID_REQUEST, "This is not a JSON-RPC 2.0 request.")
    words = message.removeprefix("Invalid JSON: ")
    place = re.search(r" at line \d+ column (\d+)$", words)
    where = f" (byte {place[1]} of the message)" if place else ""
    if "recursion limit" in words:
        text = "The message is nested too deeply. Make it flatter, or pass the inner part as text"
    elif "surrogate" in words or "hex escape" in words:
        text = "The message holds half of a surrogate pair (\\ud800-\\udfff), which is no character"
    elif "unicode code point" in words:
        text = "The message is not valid UTF-8"
    elif "number out of range" in words:
        text = "The message holds a number that is too large. Pass it as text"
    else:
        text = "The message is not valid JSON"
    return Refused(types.PARSE_ERROR, f"{text}{where}.")


def answer(line: Line, refused: Refused) -> types.JSONRPCMessage | None:
    """What to send back for a line that is no message; None if it was a notification.

    A tool call is answered as a failed tool call, which the model sees; all else by a JSON-RPC
    error, without an id when none can be found.
    """
    request_id, method = _envelope(line)
    if request_id is None and method is not None:
        return None
    if request_id is None or method != "tools/call":
        error = types.ErrorData(code=refused.code, message=refused.text)
        return types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error)
    text = f"{refused.text} Nothing was done. [invalid_request]"
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": True}
    if MODERN in line.head or MODERN in line.tail:
        result["resultType"] = "complete"
    return types.JSONRPCResponse(jsonrpc="2.0", id=request_id, result=result)


def _envelope(line: Line) -> tuple[types.RequestId | None, str | None]:
    """The request id and the method, as far as they can be read off a broken line."""
    request_id: types.RequestId | None = None
    method: str | None = None
    depth = 0
    for token in TOKEN.finditer(line.head[:HEAD_BYTES]):
        word = token[0]
        if word in (b"{", b"["):
            depth += 1
        elif word in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and word in (b'"id"', b'"method"'):
            member = MEMBER.match(line.head, token.end())
            value = _scalar(member[1]) if member is not None else None
            if word == b'"method"':
                method = value if isinstance(value, str) else method
            else:
                request_id = value
    if request_id is None:
        last = LAST_ID.search(line.tail or line.head[-TAIL_BYTES:])
        request_id = _scalar(last[1]) if last is not None else None
    return request_id, method


def _scalar(text: bytes) -> str | int | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, str | int) else None
