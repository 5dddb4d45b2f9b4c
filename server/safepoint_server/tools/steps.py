"""start_step and mark_step_done."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from safepoint import UNSET, ApprovalNeed
from safepoint.values import dataclass
from safepoint_server.names import check_step_name
from safepoint_server.tools.base import AnyJson, Arguments, Reply, Text, ToolSpec
from safepoint_server.tools.call import Call
from safepoint_server.tools.replies import ActorReply, ProgressReply, cut, timestamp
from safepoint_server.tools.save import state_or_patch, state_warnings

__all__ = ["MARK", "START"]

ADVICE_CHARS = 500

Token = Annotated[int | None, Field(ge=0, description="From start_step")]


class StartArguments(Arguments):
    json_fields: ClassVar = frozenset({"input"})

    workspace: str
    step: Text
    input: Annotated[AnyJson, Field(description="JSON it works on; only a hash is kept")] = None
    lease_seconds: Annotated[int, Field(ge=1, description="How long it is yours")] = 300
    fencing_token: Annotated[int | None, Field(ge=0, description="Yours, to renew the lease")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedReply(Reply):
    """An approval that the step waits for."""

    name: str
    status: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReply(Reply):
    workspace: str
    step: str
    decision: str
    advice: str
    version: int
    run: int
    attempt: int
    idempotency_key: str
    fencing_token: int | None = None
    lease_until: str | None = None
    wait_until: str | None = None
    status: str | None = None
    result: Any = UNSET
    needs: list[str] | None = None
    approvals: list[NeedReply] | None = None
    holder: ActorReply | None = None


async def start_step(args: StartArguments, call: Call) -> StartReply:
    workspace = call.workspace(args.workspace)
    check_step_name(args.step)
    started = await workspace.start_step(
        args.step,
        input=args.given("input"),
        lease=timedelta(seconds=min(args.lease_seconds, 10**9)),
        fencing_token=args.fencing_token,
    )
    call.note |= {"version": started.version, "step": args.step, "decision": started.decision}
    return StartReply(
        workspace=started.workspace,
        step=started.step,
        decision=started.decision,
        advice=started.advice,
        version=started.version,
        run=started.run,
        attempt=started.attempt,
        idempotency_key=started.idempotency_key,
        fencing_token=started.fencing_token,
        lease_until=timestamp(started.lease_until) if started.lease_until else None,
        wait_until=timestamp(started.wait_until) if started.wait_until else None,
        status=started.status,
        needs=list(started.needs) or None,
        approvals=[_need(need) for need in started.approvals] or None,
        holder=ActorReply.of(started.holder) if started.holder else None,
        result=started.result if started.decision == "skip" else UNSET,
    )


def _need(need: ApprovalNeed) -> NeedReply:
    return NeedReply(name=need.name, status=need.status, advice=cut(need.advice, ADVICE_CHARS))


class MarkArguments(Arguments):
    json_fields: ClassVar = frozenset({"result", "state"})

    workspace: str
    step: Text
    status: Literal["done", "failed", "skipped"] = "done"
    result: Annotated[AnyJson, Field(description="JSON that skip returns later")] = None
    error: Annotated[Text | None, Field(description="Why it failed")] = None
    retryable: bool | None = None
    retry_after_seconds: Annotated[int | None, Field(ge=0)] = None
    fencing_token: Token = None
    state: Annotated[AnyJson, Field(description="New state, same commit")] = None
    merge: Annotated[bool, Field(description="As in save_checkpoint")] = False
    summary: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkReply(Reply):
    workspace: str
    step: str
    status: str
    version: int
    run: int
    attempt: int
    finished_at: str
    repeated: bool | None = None
    state_saved: bool
    next_step: str | None = None
    progress: ProgressReply
    retry_at: str | None = None
    warnings: list[str] | None = None


async def mark_step_done(args: MarkArguments, call: Call) -> MarkReply:
    workspace = call.workspace(args.workspace)
    check_step_name(args.step)
    state, patch = state_or_patch(args, args.merge)
    marked = await workspace.mark_step_done(
        args.step,
        status=args.status,
        result=args.given("result"),
        error=args.error,
        retryable=args.retryable,
        retry_after=_seconds(args.retry_after_seconds),
        fencing_token=args.fencing_token,
        state=state,
        patch=patch,
        summary=args.summary,
    )
    call.note |= {"version": marked.version, "step": args.step, "status": marked.status}
    warnings = [*marked.warnings, *await state_warnings(args.given("state"), None)]
    return MarkReply(
        workspace=marked.workspace,
        step=marked.step,
        status=marked.status,
        version=marked.version,
        run=marked.run,
        attempt=marked.attempt,
        finished_at=timestamp(marked.finished_at),
        repeated=marked.repeated or None,
        state_saved=marked.state_saved,
        next_step=marked.next_step,
        progress=ProgressReply.of(marked.progress),
        retry_at=timestamp(marked.retry_at) if marked.retry_at else None,
        warnings=warnings or None,
    )


def _seconds(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(seconds=min(count, 10**9))


START = ToolSpec(
    name="start_step",
    description=(
        "Call before a step, above all one with effects outside. Decision run: do it now, hand "
        "idempotency_key to outside systems, mark it before lease_until. skip: finished already, "
        "use result. wait: another agent holds it, or it is not its time. blocked: needs or "
        "approvals come first."
    ),
    arguments=StartArguments,
    reply=StartReply,
    run=start_step,
    event="start",
    idempotent=True,
)
MARK = ToolSpec(
    name="mark_step_done",
    description=(
        "Call right after a step, done, failed or skipped. Records result or error and, in the "
        "same commit, new state. A repeat returns what was recorded."
    ),
    arguments=MarkArguments,
    reply=MarkReply,
    run=mark_step_done,
    event="mark",
    idempotent=True,
)
