"""list_checkpoints and list_workspaces."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safepoint import CheckpointInfo, WorkspaceInfo
from safepoint.values import dataclass
from safepoint_server.scopes import Scope
from safepoint_server.tools.base import Arguments, Cursor, Reply, Text, ToolSpec
from safepoint_server.tools.call import Call
from safepoint_server.tools.replies import ProgressReply, cut, fitting_page, timestamp

__all__ = ["LIST_CHECKPOINTS", "LIST_WORKSPACES", "workspace_line"]

TEXT_CHARS = 300


class ListCheckpointsArguments(Arguments):
    workspace: str
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointLine(Reply):
    version: int
    run: int
    saved_at: str
    kind: str
    label: str | None = None
    summary: str | None = None
    step: str | None = None
    state_bytes: int
    saved_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointsReply(Reply):
    workspace: str
    checkpoints: list[CheckpointLine]
    next_cursor: str | None = None


async def list_checkpoints(args: ListCheckpointsArguments, call: Call) -> CheckpointsReply:
    workspace = call.workspace(args.workspace)
    lines, cursor = await fitting_page(
        lambda limit: workspace.checkpoints(limit=limit, cursor=args.cursor or None),
        _checkpoint_line,
        args.limit,
    )
    call.note["items"] = len(lines)
    return CheckpointsReply(workspace=args.workspace, checkpoints=lines, next_cursor=cursor)


def _checkpoint_line(info: CheckpointInfo) -> CheckpointLine:
    return CheckpointLine(
        version=info.version,
        run=info.run,
        saved_at=timestamp(info.saved_at),
        kind=info.kind,
        label=info.label,
        summary=cut(info.summary, TEXT_CHARS) if info.summary else None,
        step=info.step,
        state_bytes=info.state_bytes,
        saved_by=cut(info.saved_by.name, 100),
    )


class ListWorkspacesArguments(Arguments):
    prefix: Annotated[Text | None, Field(description="Names that begin so")] = None
    status: Literal["active", "done", "failed", "damaged", "due"] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceLine(Reply):
    name: str
    version: int
    run: int
    status: str
    updated_at: str
    goal: str | None = None
    summary: str | None = None
    next_action: str | None = None
    progress: ProgressReply
    state_bytes: int
    open_approvals: int | None = None
    due: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspacesReply(Reply):
    workspaces: list[WorkspaceLine]
    next_cursor: str | None = None


async def list_workspaces(args: ListWorkspacesArguments, call: Call) -> WorkspacesReply:
    lines, cursor = await fitting_page(
        lambda limit: call.store.workspaces(
            prefix=args.prefix or "", status=args.status, limit=limit, cursor=args.cursor or None
        ),
        workspace_line,
        args.limit,
    )
    call.note["items"] = len(lines)
    return WorkspacesReply(workspaces=lines, next_cursor=cursor)


def workspace_line(info: WorkspaceInfo) -> WorkspaceLine:
    return WorkspaceLine(
        name=info.name,
        version=info.version,
        run=info.run,
        status=info.status,
        updated_at=timestamp(info.updated_at),
        goal=cut(info.goal, TEXT_CHARS) if info.goal else None,
        summary=cut(info.summary, TEXT_CHARS) if info.summary else None,
        next_action=cut(info.next_action, TEXT_CHARS) if info.next_action else None,
        progress=ProgressReply.of(info.progress),
        state_bytes=info.state_bytes,
        open_approvals=info.open_approvals or None,
        due=[f"{due.kind} {cut(due.name, 100)}".strip() for due in info.due[:5]] or None,
    )


LIST_CHECKPOINTS = ToolSpec(
    name="list_checkpoints",
    description=("Call to find an earlier version or see how the work went. Newest first."),
    arguments=ListCheckpointsArguments,
    reply=CheckpointsReply,
    run=list_checkpoints,
    event="list_checkpoints",
    scope=Scope.READ,
    read_only=True,
)
LIST_WORKSPACES = ToolSpec(
    name="list_workspaces",
    description="Call when you do not know which workspace to load.",
    arguments=ListWorkspacesArguments,
    reply=WorkspacesReply,
    run=list_workspaces,
    event="list_workspaces",
    scope=Scope.READ,
    read_only=True,
)
