"""plan_steps and list_steps."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from safepoint import UNSET, PlannedStep, Step
from safepoint.values import dataclass
from safepoint_server.names import check_approval_name, check_step_name
from safepoint_server.scopes import Scope
from safepoint_server.tools.base import Arguments, Cursor, Reply, Text, ToolSpec
from safepoint_server.tools.call import Call
from safepoint_server.tools.replies import cut, fitting_page, timestamp

__all__ = ["LIST_STEPS", "PLAN", "step_line"]

NAME_BYTES = 2000
RESULT_BYTES = 300
TEXT_CHARS = 300


def _names(value: Any) -> Any:
    """A bare name stands for a list of it."""
    return [value] if isinstance(value, str) else value


Names = Annotated[list[Text], BeforeValidator(_names)]


class StepArguments(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    title: Text | None = None
    after: Annotated[Names, Field(description="Names of steps to finish first")] = []
    needs_approval: Annotated[Names | None, Field(description="Names of approvals")] = None
    wake_at: AwareDatetime | None = None


def _step(value: Any) -> Any:
    """A bare name stands for a step of that name."""
    return {"name": value} if isinstance(value, str) else value


class PlanArguments(Arguments):
    list_fields: ClassVar = frozenset({"steps"})

    workspace: str
    steps: Annotated[
        list[Annotated[StepArguments, BeforeValidator(_step)]],
        Field(description="In order"),
    ]
    goal: Annotated[Text | None, Field(description="What the work is for")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanReply(Reply):
    workspace: str
    version: int
    run: int
    added: list[str]
    kept: list[str]
    omitted: dict[str, int] | None = None
    total: int
    next_step: str | None = None


async def plan_steps(args: PlanArguments, call: Call) -> PlanReply:
    workspace = call.workspace(args.workspace)
    for step in args.steps:
        check_step_name(step.name)
        for approval in step.needs_approval or ():
            check_approval_name(approval)
    steps = [_planned(step) for step in args.steps]
    plan = await workspace.plan_steps(steps, goal=args.goal)
    call.note |= {"version": plan.version, "steps": plan.total}
    added, kept = _first(plan.added), _first(plan.kept)
    left_out = {"added": len(plan.added) - len(added), "kept": len(plan.kept) - len(kept)}
    return PlanReply(
        workspace=plan.workspace,
        version=plan.version,
        run=plan.run,
        added=added,
        kept=kept,
        omitted={name: count for name, count in left_out.items() if count} or None,
        total=plan.total,
        next_step=plan.next_step,
    )


def _planned(step: StepArguments) -> PlannedStep:
    return PlannedStep(
        step.name,
        step.title,
        after=tuple(step.after),
        needs_approval=tuple(step.needs_approval or ()),
        wake_at=step.wake_at,
    )


def _first(names: tuple[str, ...]) -> list[str]:
    size, kept = 0, []
    for name in names:
        size += len(name.encode()) + 3
        if size > NAME_BYTES:
            break
        kept.append(name)
    return kept


class ListStepsArguments(Arguments):
    workspace: str
    status: Literal["pending", "running", "interrupted", "done", "failed", "skipped"] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLine(Reply):
    name: str
    status: str
    title: str | None = None
    after: list[str] | None = None
    needs_approval: list[str] | None = None
    wake_at: str | None = None
    attempts: int | None = None
    lease_until: str | None = None
    holder: str | None = None
    finished_at: str | None = None
    result: Any = UNSET
    result_bytes: int | None = None
    error: str | None = None
    retryable: bool | None = None
    retry_at: str | None = None
    summary: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepsReply(Reply):
    workspace: str
    steps: list[StepLine]
    next_cursor: str | None = None


async def list_steps(args: ListStepsArguments, call: Call) -> StepsReply:
    workspace = call.workspace(args.workspace)
    lines, cursor = await fitting_page(
        lambda limit: workspace.steps(status=args.status, limit=limit, cursor=args.cursor or None),
        step_line,
        args.limit,
    )
    call.note["items"] = len(lines)
    return StepsReply(workspace=args.workspace, steps=lines, next_cursor=cursor)


def step_line(step: Step) -> StepLine:
    """One step; a result above 300 bytes is only measured: start_step gives it whole."""
    short = 0 < step.result_bytes <= RESULT_BYTES
    return StepLine(
        name=step.name,
        status=step.status,
        title=cut(step.title, TEXT_CHARS) if step.title else None,
        after=list(step.after[:20]) or None,
        needs_approval=list(step.needs_approval) or None,
        wake_at=timestamp(step.wake_at) if step.wake_at else None,
        attempts=step.attempts or None,
        lease_until=timestamp(step.lease_until) if step.lease_until else None,
        holder=cut(step.holder.name, 100) if step.holder and step.lease_until else None,
        finished_at=timestamp(step.finished_at) if step.finished_at else None,
        error=cut(step.error, TEXT_CHARS) if step.error else None,
        retryable=step.retryable,
        retry_at=timestamp(step.retry_at) if step.retry_at else None,
        summary=cut(step.summary, TEXT_CHARS) if step.summary else None,
        result=step.result if short else UNSET,
        result_bytes=None if short else step.result_bytes or None,
    )


PLAN = ToolSpec(
    name="plan_steps",
    description=(
        "Call once when work has several steps, and again to add some; steps already planned "
        "keep their status. Order alone holds nothing back: name in `after` what must be finished "
        "first."
    ),
    arguments=PlanArguments,
    reply=PlanReply,
    run=plan_steps,
    event="plan",
    idempotent=True,
)
LIST_STEPS = ToolSpec(
    name="list_steps",
    description="Call to see the steps, in order, with status and result.",
    arguments=ListStepsArguments,
    reply=StepsReply,
    run=list_steps,
    event="list_steps",
    scope=Scope.READ,
    read_only=True,
)
