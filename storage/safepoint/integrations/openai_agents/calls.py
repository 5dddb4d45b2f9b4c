"""A tool call that waits for a person, as the question that a person is asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from agents.items import ToolApprovalItem

from safepoint.errors import SafepointError
from safepoint.format.jsontext import decode_json, encode_json
from safepoint.log.transitions import Ask
from safepoint.log.transitions.approval import check_approval_name
from safepoint.model import JSON
from safepoint.values import dataclass

__all__ = ["Call", "calls_of"]

_SHOWN: Final = 1000
_WHOLE_BYTES: Final = 40 * 1024  # escaped, at most what a subject may have
_NAME_CHARS: Final = 190


@dataclass(frozen=True, slots=True)
class Call:
    """The name of the approval, the question, and exactly what is to be approved, as JSON."""

    name: str
    question: str
    details: str | None
    subject: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the subject: another call has another one."""
        return hashlib.sha256(self.subject).hexdigest()

    def asked(self, expires_in: timedelta | None) -> Ask:
        """The command that asks. The answer is for one use."""
        return Ask(
            name=self.name,
            question=self.question,
            details=self.details,
            subject=self.subject,
            expires=expires_in,
            single_use=True,
        )


def calls_of(
    interruptions: Iterable[ToolApprovalItem],
) -> tuple[tuple[Call, ToolApprovalItem], ...]:
    """Each call with the item that it came from. The names differ; the same items in the same order
    always get the same ones."""
    found: dict[str, tuple[Call, ToolApprovalItem]] = {}
    for item in interruptions:
        call = _call(item)
        name, count = call.name, 1
        while name in found:
            count += 1
            name = f"{call.name} ({count})"
        found[name] = Call(name, call.question, call.details, call.subject), item
    return tuple(found.values())


def _call(item: ToolApprovalItem) -> Call:
    agent = _unicode(str(getattr(item.agent, "name", None)))
    tool = _unicode(item.qualified_name or item.name or item.type)
    call_id = None if item.call_id is None else _unicode(item.call_id)
    arguments = item.arguments
    subject = encode_json(
        {"tool": tool, "agent": agent, "call_id": call_id, **_arguments(arguments)}
    )
    return Call(
        name=_name(call_id, subject),
        question=f"May the agent {_cut(agent, 200)!r} call the tool {_cut(tool, 200)!r}?",
        details=None if arguments is None else _cut(arguments, _SHOWN),
        subject=subject,
    )


def _arguments(text: str | None) -> dict[str, JSON]:
    """The arguments to read, and a digest of them as the model wrote them; of very large ones only
    their beginning."""
    if text is None:
        return {"arguments": None}
    data = text.encode(errors="surrogatepass")
    digest = {"arguments_sha256": hashlib.sha256(data).hexdigest()}
    if len(data) > _WHOLE_BYTES:
        return {"arguments_start": _cut(text, _SHOWN), "arguments_bytes": len(data), **digest}
    try:
        arguments = decode_json(data)
        encode_json(arguments, max_depth=100)
    except (ValueError, SafepointError):
        arguments = _unicode(text)
    return {"arguments": arguments, **digest}


def _name(call_id: str | None, subject: bytes) -> str:
    """The call's id, where an approval may have that name."""
    try:
        check_approval_name(call_id or "", limit=_NAME_CHARS)
    except SafepointError:
        return f"call {hashlib.sha256(subject).hexdigest()[:16]}"
    return str(call_id)


def _cut(text: str, chars: int) -> str:
    text = _unicode(text)
    return text if len(text) <= chars else f"{text[: chars - 1]}…"


def _unicode(text: str) -> str:
    return text.encode(errors="replace").decode()
