"""The brief of a workspace as a model reads it: about 5 KB at most, however many steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from safepoint import UNSET, Approval, Blocker, Brief, InFlight
from safepoint.format.jsontext import encode_json
from safepoint.values import dataclass
from safepoint_server.tools.base import Reply
from safepoint_server.tools.replies import ActorReply, ProgressReply, cut, timestamp

__all__ = ["BRIEF_BYTES", "BriefReply", "brief_reply"]

BRIEF_BYTES: Final = 5000
TEXT_CHARS: Final = 1200
LIST_BYTES: Final = 1000
ITEMS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightReply(Reply):
    step: str
    attempt: int
    idempotency_key: str
    interrupted: bool
    lease_until: str
    holder: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockedReply(Reply):
    step: str
    needs: list[str]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalLine(Reply):
    """A question to a person; request_approval by its name alone tells more."""

    name: str
    status: str
    question: str
    since: str
    expires_at: str | None = None
    answer: Any = UNSET
    comment: str | None = None
    used_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BriefReply(Reply):
    """`omitted` counts what was left out of each list; list_steps shows it."""

    workspace: str
    run: int
    version: int
    head_version: int | None = None
    status: str
    goal: str | None = None
    next_action: str | None = None
    next_step: str | None = None
    summary: str | None = None
    label: str | None = None
    checkpoint_version: int | None = None
    saved_at: str | None = None
    saved_by: ActorReply | None = None
    progress: ProgressReply
    in_flight: list[InFlightReply] | None = None
    blocked: list[BlockedReply] | None = None
    approvals: list[ApprovalLine] | None = None
    failed: list[str] | None = None
    pending: list[str] | None = None
    done: list[str] | None = None
    omitted: dict[str, int] | None = None
    advice: str | None = None
    artifacts: int | None = None


def brief_reply(brief: Brief) -> BriefReply:
    """`brief` for a model: texts cut and lists shortened until it is at most BRIEF_BYTES."""
    share = 1.0
    while True:
        reply = _shortened(brief, share)
        if share < 1 / 64 or len(encode_json(reply.data())) <= BRIEF_BYTES:
            return reply
        share /= 2


def _shortened(brief: Brief, share: float) -> BriefReply:
    chars = int(TEXT_CHARS * share)
    items = max(1, int(ITEMS * share))
    names = int(LIST_BYTES * share)
    failed, pending = _first(brief.failed, names), _first(brief.pending, names)
    done = list(reversed(_first(brief.done[::-1], names)))
    left_out = {
        "in_flight": len(brief.in_flight) - items,
        "blocked": len(brief.blocked) - items,
        "approvals": len(brief.approvals) - items,
        "failed": len(brief.failed) - len(failed),
        "pending": len(brief.pending) - len(pending),
        "done": len(brief.done) - len(done),
    }
    return BriefReply(
        workspace=brief.workspace,
        run=brief.run,
        version=brief.version,
        head_version=brief.head_version if brief.head_version != brief.version else None,
        status=brief.status,
        goal=_text(brief.goal, chars),
        next_action=_text(brief.next_action, chars),
        next_step=brief.next_step,
        summary=_text(brief.summary, chars),
        label=brief.label,
        checkpoint_version=brief.checkpoint_version,
        saved_at=timestamp(brief.saved_at) if brief.saved_at is not None else None,
        saved_by=ActorReply.of(brief.saved_by) if brief.saved_by is not None else None,
        progress=ProgressReply.of(brief.progress),
        in_flight=[_in_flight(item, chars) for item in brief.in_flight[:items]] or None,
        blocked=[_blocked(item, chars, names) for item in brief.blocked[:items]] or None,
        approvals=[_approval(item, chars) for item in brief.approvals[:items]] or None,
        failed=failed or None,
        pending=pending or None,
        done=done or None,
        omitted={name: count for name, count in left_out.items() if count > 0} or None,
        advice=brief.advice,
        artifacts=brief.artifacts or None,
    )


def _text(text: str | None, chars: int) -> str | None:
    return cut(text, chars) if text else None


def _first(names: Sequence[str], most_bytes: int) -> list[str]:
    kept: list[str] = []
    for name in names:
        most_bytes -= len(name.encode()) + 3
        if most_bytes < 0 and kept:
            break
        kept.append(name)
    return kept


def _in_flight(item: InFlight, chars: int) -> InFlightReply:
    holder = f"{item.holder.name} on {item.holder.host} (process {item.holder.process})"
    return InFlightReply(
        step=item.step,
        attempt=item.attempt,
        idempotency_key=item.idempotency_key,
        interrupted=item.interrupted,
        lease_until=timestamp(item.lease_until),
        holder=cut(holder, 150),
        advice=cut(item.advice, max(chars // 3, 60)),
    )


def _approval(item: Approval, chars: int) -> ApprovalLine:
    short = len(encode_json(item.answer)) <= chars // 4
    return ApprovalLine(
        name=item.name,
        status=item.status,
        question=cut(item.question, max(chars // 8, 40)),
        since=timestamp(item.decided_at or item.asked_at),
        expires_at=timestamp(item.expires_at) if item.expires_at and not item.decided_at else None,
        answer=item.answer if item.answer is not None and short else UNSET,
        comment=cut(item.comment, max(chars // 8, 40)) if item.comment else None,
        used_by=item.used_by,
    )


def _blocked(item: Blocker, chars: int, names: int) -> BlockedReply:
    return BlockedReply(
        step=item.step,
        needs=_first(item.needs, names // 4),
        reason=cut(item.reason, max(chars // 6, 40)),
    )
