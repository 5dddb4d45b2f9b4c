"""What a dialog shows of an approval, and what an entry in it means. Pure."""

from __future__ import annotations

from textwrap import indent
from typing import Any, Final

from safepoint import JSON, UNSET, Approval, Unset, Verdict
from safepoint.format.jsontext import encode_json
from safepoint.log.answers import check_answer
from safepoint_server.cli.plain import json_text, one_line, paragraph
from safepoint_server.dialog import Answer

__all__ = ["MAX_SUBJECT_BYTES", "form", "message", "reading"]

MAX_SUBJECT_BYTES: Final = 4000
_SHOWN: Final = ("type", "properties", "required")
_COMMENT: Final = {"type": "string", "title": "Comment", "maxLength": 1000}


def message(approval: Approval, subject: JSON | Unset) -> str | None:
    """The question with all that it is about; None when the subject is too long to be shown whole:
    nobody approves by half a text."""
    head = f"Approval {one_line(approval.name)!r} for workspace {one_line(approval.workspace)!r}"
    parts = [head, _quoted("Question", paragraph(approval.question))]
    if approval.details:
        parts.append(_quoted("Details", paragraph(approval.details)))
    if not isinstance(subject, Unset):
        text = encode_json(subject).decode()
        if len(text.encode()) > MAX_SUBJECT_BYTES:
            return None
        parts.append(_quoted(f"Subject (SHA-256 {approval.subject_sha256})", json_text(text)))
    if approval.single_use:
        parts.append("For one use")
    if approval.expires_at is not None:
        parts.append(f"Open until {approval.expires_at:%Y-%m-%d %H:%M} UTC")
    return "\n\n".join(parts)


def form(approval: Approval) -> dict[str, Any]:
    """The flat schema of the dialog."""
    schema = approval.answer_schema
    if isinstance(schema, dict):
        return {name: schema[name] for name in _SHOWN if name in schema}
    if approval.options:
        field = {"type": "string", "title": "Answer", "enum": list(approval.options)}
        return _object("answer", field)
    field = {"type": "string", "title": "Decision", "enum": ["approve", "deny"]}
    return _object("decision", field)


def reading(approval: Approval, answer: Answer) -> tuple[Verdict, JSON | Unset, str | None]:
    """The verdict, answer and comment that were entered. Raises InvalidInput for what does not fit
    the form."""
    if answer.action == "decline":
        return Verdict.DENY, UNSET, "declined in the dialog"
    content = answer.content or {}
    if approval.answer_schema is not None:
        return Verdict.ANSWER, content, None
    check_answer(form(approval), content)
    comment = str(content.get("comment", "")).strip() or None
    if approval.options:
        return Verdict.ANSWER, content["answer"], comment
    return Verdict(content["decision"]), UNSET, comment


def _quoted(title: str, text: str) -> str:
    """What an agent wrote stands indented, so that it cannot pass for a line of ours."""
    return f"{title}:\n{indent(text, '  ')}"


def _object(name: str, field: dict[str, Any]) -> dict[str, Any]:
    properties = {name: field, "comment": _COMMENT}
    return {"type": "object", "properties": properties, "required": [name]}
