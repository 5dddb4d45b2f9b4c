"""request_approval: ask a person, by a dialog of the client where it has one.

It never decides anything by its arguments: only what a person entered in a dialog that this server
opened for exactly this question counts, and what people do outside of the protocol.
"""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from safepoint import (
    UNSET,
    Approval,
    ApprovalStatus,
    Conflict,
    InvalidInput,
    Requested,
)
from safepoint.approvals import Approvals
from safepoint.values import dataclass
from safepoint_server.dialog import Answer
from safepoint_server.forms import MAX_SUBJECT_BYTES, form, message, reading
from safepoint_server.names import check_approval_name
from safepoint_server.tools.base import AnyJson, Arguments, Reply, Text, ToolSpec
from safepoint_server.tools.call import Call
from safepoint_server.tools.replies import cut, timestamp

__all__ = ["REQUEST_APPROVAL"]

CHANNEL: Final = "elicitation"
TEXT_CHARS: Final = 1000


class ApprovalArguments(Arguments):
    list_fields: ClassVar = frozenset({"options", "answer_schema", "subject"})

    workspace: str
    name: Text
    question: Annotated[Text | None, Field(description="Left out: only how it stands")] = None
    details: Text | None = None
    options: Annotated[list[Text] | None, Field(description="To pick one of")] = None
    answer_schema: Annotated[AnyJson, Field(description="Flat JSON Schema of a form")] = None
    subject: Annotated[AnyJson, Field(description="Exactly what to approve")] = None
    expires_in_seconds: Annotated[int | None, Field(ge=1)] = None
    single_use: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalReply(Reply):
    workspace: str
    name: str
    status: str
    advice: str
    answer: Any = UNSET
    comment: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    expires_at: str | None = None


async def request_approval(args: ApprovalArguments, call: Call) -> ApprovalReply:
    approvals = call.workspace(args.workspace).approvals
    check_approval_name(args.name)
    call.note["approval"] = args.name
    brought = call.dialog.brought() if call.dialog is not None else None
    if brought is not None:
        approval, note = await _take(approvals, args.name, brought, call)
    elif args.question is None:
        approval, note = await approvals.get(args.name), ""
    else:
        requested = await _request(approvals, args, args.question)
        approval, note = requested.approval, _replaced(requested)
        if approval.status is ApprovalStatus.PENDING and call.dialog is not None:
            subject = UNSET if args.subject is None else args.subject
            shown = message(approval, subject)
            if shown is None:
                note += f"The subject has more than {MAX_SUBJECT_BYTES:,} bytes: no dialog can "
                note += "show it whole, so none was opened. "
            else:
                answer = await call.dialog.ask(shown, form(approval), approval.digest)
                approval, told = await _take(approvals, args.name, answer, call)
                note += told
    call.note["status"] = approval.status.value
    return _reply(approval, note, call.access.tenant)


async def _request(approvals: Approvals, args: ApprovalArguments, question: str) -> Requested:
    """A null stands for nothing: a model that fills in every argument asks nothing else by it."""
    seconds = args.expires_in_seconds
    return await approvals.request(
        args.name,
        question,
        details=args.details,
        options=args.options or (),
        answer_schema=UNSET if args.answer_schema is None else args.answer_schema,
        subject=UNSET if args.subject is None else args.subject,
        expires_in=None if seconds is None else timedelta(seconds=min(seconds, 10**9)),
        single_use=args.single_use,
    )


async def _take(
    approvals: Approvals, name: str, answer: Answer, call: Call
) -> tuple[Approval, str]:
    """Record what a person entered about the question of this digest, and no other.

    Closing a dialog, or not answering in time, leaves the question open; declining it denies.
    """
    note = ""
    present = await approvals.get(name)
    try:
        if present.digest != answer.about:
            note = "The question was changed while the dialog was open; the answer was not taken. "
        elif answer.action in ("accept", "decline"):
            verdict, value, comment = reading(present, answer)
            decided = await approvals.decide(
                name,
                verdict,
                by=call.actor,
                channel=CHANNEL,
                answer=value,
                comment=comment,
                digest=answer.about,
            )
            return decided.approval, ""
        else:
            note = "The dialog was closed without an answer. " if answer.action else ""
    except (Conflict, InvalidInput) as error:
        note = f"The answer of the dialog was not taken: {error.message}. "
    return await approvals.get(name), note


def _replaced(requested: Requested) -> str:
    if requested.replaced is None:
        return ""
    return f"An earlier question of this name was {requested.replaced}; it no longer counts. "


def _reply(approval: Approval, note: str, tenant: str | None) -> ApprovalReply:
    by = approval.decided_by
    return ApprovalReply(
        workspace=approval.workspace,
        name=approval.name,
        status=approval.status,
        advice=note + _advice(approval, tenant),
        answer=approval.answer if approval.status is ApprovalStatus.ANSWERED else UNSET,
        comment=cut(approval.comment, TEXT_CHARS) if approval.comment else None,
        decided_by=f"{cut(by.name, 100)} ({approval.channel or 'unknown'})" if by else None,
        decided_at=timestamp(approval.decided_at) if approval.decided_at else None,
        expires_at=timestamp(approval.expires_at) if approval.expires_at else None,
    )


def _advice(approval: Approval, tenant: str | None) -> str:
    plain = not approval.options and approval.answer_schema is None
    verb = "approve" if plain else "answer"
    where = f"{shlex.quote(approval.workspace)} {shlex.quote(approval.name)}"
    store = f", on the store of the tenant (--store …/tenants/{tenant})" if tenant else ""
    if approval.used_by is not None:
        return (
            f"Given for one use, which {approval.used_by!r} made. For another use ask under "
            "another name."
        )
    return {
        ApprovalStatus.PENDING: "Nobody has answered yet. Tell the user: "
        f"`safepoint {verb} {where}` in a terminal{store} ({'or deny; ' if plain else ''}"
        "`safepoint inbox` lists all). Do other work, or stop and come back: call this again with "
        "workspace and name. You cannot answer it yourself.",
        ApprovalStatus.APPROVED: "Approved. Go on, with exactly what was asked.",
        ApprovalStatus.ANSWERED: "Answered. Go on with the answer.",
        ApprovalStatus.DENIED: "Denied. Do not do it, nor ask the same in other words.",
        ApprovalStatus.EXPIRED: "Nobody answered in time. Ask again with the question, or go on "
        "without.",
        ApprovalStatus.WITHDRAWN: "The question was withdrawn. Ask again if it is still needed.",
    }[approval.status]


REQUEST_APPROVAL = ToolSpec(
    name="request_approval",
    description=(
        "Call before what a person must allow, or when only a person can decide. Asks once; a "
        "repeat tells how it stands: pending, approved, denied, answered, expired. Another "
        "question or subject needs a new answer. Only people answer."
    ),
    arguments=ApprovalArguments,
    reply=ApprovalReply,
    run=request_approval,
    event="approval",
    idempotent=True,
)
