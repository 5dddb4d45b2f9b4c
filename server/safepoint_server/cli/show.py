"""`safepoint show`: where a workspace is, its steps and its state, at any version."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from safepoint import (
    Approval,
    Brief,
    Checkpoint,
    InvalidInput,
    ReferenceCheck,
    Step,
    Workspace,
)
from safepoint.references import check_references
from safepoint.values import dataclass
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_run, found_workspace
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.paging import gather
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import ago, json_text, moment, one_line, paragraph, size, who
from safepoint_server.references import AllowedReferences
from safepoint_server.view import select

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """\
examples:
  safepoint show my-task                        the brief, the steps, the start of the state
  safepoint show my-task --state > state.json   the state alone, whole
  safepoint show my-task --select 'files[0]'    a part of it, by a JMESPath expression
  safepoint show my-task --version 12           as it was at version 12
  safepoint show my-task --steps                every step
  safepoint show my-task --check-references     have the files that it names changed
"""

_FEW_STEPS: Final = 25
_FEW_LINES: Final = 30


@dataclass(frozen=True, slots=True)
class _Shown:
    """All that one call reads. `steps` is None when they were not asked for, and so are `checks`
    of references empty."""

    checkpoint: Checkpoint
    state: Any
    steps: tuple[Step, ...] | None
    more_steps: bool
    checks: tuple[ReferenceCheck, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, metavar="N", help="as it was at this version")
    which.add_argument("--label", metavar="L", help="as it was at the checkpoint of this label")
    which.add_argument("--run", type=int, metavar="N", help="as it was when this run ended")
    parser.add_argument("--state", action="store_true", help="only the state, as JSON")
    parser.add_argument("--select", metavar="EXPR", help="only this part of the state (JMESPath)")
    parser.add_argument("--steps", action="store_true", help="only the steps, all of them")
    parser.add_argument(
        "--check-references",
        action="store_true",
        help="look whether the files that it names have changed",
    )
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    whole_state = args.state or args.select is not None
    earlier = (args.version, args.label, args.run) != (None, None, None)
    if args.steps and (whole_state or earlier):
        raise InvalidInput(
            "--steps shows the steps as they are now and goes with no other selection",
            hint="leave out --version, --label, --run, --state and --select",
        )
    shown = asyncio.run(_read(args))
    if args.json:
        print_json(_document(shown, whole_state=whole_state, steps_only=args.steps))
    elif whole_state:
        sys.stdout.write(json_text(_pretty(shown.state)) + "\n")
    elif args.steps:
        _print_steps(console(), shown.steps or (), more=False)
    else:
        _print_all(console(), shown, args.name)
    return 0


async def _read(args: argparse.Namespace) -> _Shown:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name) as workspace,
    ):
        version = args.version
        if args.run is not None:
            version = (await found_run(workspace, args.run)).last_version
        checkpoint = await workspace.load(version=version, label=args.label)
        newest = version is None and args.label is None
        state = checkpoint.state if args.select is None else select(checkpoint.state, args.select)
        checks = await _checks(args, checkpoint) if args.check_references else ()
        if not newest or args.state or args.select is not None:
            return _Shown(checkpoint, state, None, False, checks)
        limit = options.MAX_ROWS if args.steps or args.json else _FEW_STEPS
        steps = await _steps(workspace, limit)
        return _Shown(checkpoint, state, steps[0], steps[1], checks)


async def _checks(args: argparse.Namespace, checkpoint: Checkpoint) -> tuple[ReferenceCheck, ...]:
    """With this person's own rights for files; in S3 only what the settings allow."""
    checker = AllowedReferences(None, options.settings(args).allowed_s3)
    try:
        return await check_references(checkpoint.references, checker)
    finally:
        checker.close()


async def _steps(workspace: Workspace, limit: int) -> tuple[tuple[Step, ...], bool]:
    rows = await gather(lambda count, cursor: workspace.steps(limit=count, cursor=cursor), limit)
    return rows.items, rows.more


def _document(shown: _Shown, *, whole_state: bool, steps_only: bool) -> dict[str, Any]:
    brief = shown.checkpoint.brief
    if steps_only:
        return {"workspace": brief.workspace, "version": brief.version, "steps": shown.steps}
    document: dict[str, Any] = {
        "workspace": brief.workspace,
        "version": shown.checkpoint.version,
        "sha256": shown.checkpoint.sha256,
        "state": shown.state,
    }
    if not whole_state:
        document["references"] = shown.checks or shown.checkpoint.references
        document["brief"] = brief
        document["steps"] = shown.steps
    return document


def _print_all(to: Console, shown: _Shown, name: str) -> None:
    brief = shown.checkpoint.brief
    _print_brief(to, brief, shown.checkpoint)
    for check in shown.checks:
        reason = f": {check.reason}" if check.reason else ""
        told = f"{check.status.replace('_', ' ')}: {check.reference.location}{reason}"
        to.print(paragraph(told), soft_wrap=True)
    if shown.steps:
        to.print()
        _print_steps(to, shown.steps, more=shown.more_steps)
    if brief.approvals:
        to.print()
        columns = ("approval", "status", "question", "decided by", "answer or comment")
        rows = [_approval_row(approval) for approval in brief.approvals]
        show(table(columns, rows, terminal=to.is_terminal))
    if not shown.checkpoint.state_bytes:
        to.print("\nNo state saved yet.", style="dim")
        return
    lines = json_text(_pretty(shown.state)).splitlines()
    to.print(f"\nState at version {brief.version}", style="bold")
    to.print("\n".join(lines[:_FEW_LINES]), soft_wrap=True)
    if len(lines) > _FEW_LINES:
        to.print(
            f"… {len(lines) - _FEW_LINES} more lines: safepoint show {one_line(name)} --state",
            style="dim",
            soft_wrap=True,
        )


def _print_brief(to: Console, brief: Brief, checkpoint: Checkpoint) -> None:
    from rich.table import Table
    from rich.text import Text

    progress = brief.progress
    at = brief.saved_at
    version = str(brief.version)
    if brief.version != brief.head_version:
        version += f" (newest: {brief.head_version})"
    rows = [
        ("status", brief.status.value),
        ("version", f"{version}, run {brief.run}"),
        ("goal", brief.goal),
        ("summary", brief.summary),
        ("next action", brief.next_action),
        ("label", brief.label),
        ("saved", f"{moment(at)} ({ago(at, datetime.now(UTC))})" if at else None),
        ("saved by", who(brief.saved_by)),
        ("state", size(checkpoint.state_bytes) if checkpoint.state_bytes else None),
        ("references", str(len(checkpoint.references)) if checkpoint.references else None),
        ("steps", _progress(brief) if progress.total else None),
        ("next step", brief.next_step),
        ("advice", brief.advice),
        *(("in flight", f"{item.step}: {item.advice}") for item in brief.in_flight),
        *(("blocked", f"{item.step}: {item.reason}") for item in brief.blocked[:5]),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for title, value in rows:
        if value:
            grid.add_row(title, Text(paragraph(value)))
    to.print(Text(one_line(brief.workspace), style="bold"), soft_wrap=True)
    show(grid)


def _progress(brief: Brief) -> str:
    progress = brief.progress
    parts = [
        (progress.done, "done"),
        (progress.skipped, "skipped"),
        (progress.failed, "failed"),
        (progress.running, "running"),
        (progress.interrupted, "interrupted"),
        (progress.pending, "pending"),
    ]
    told = ", ".join(f"{count} {word}" for count, word in parts if count)
    return f"{progress.total}: {told}"


def _print_steps(to: Console, steps: tuple[Step, ...], *, more: bool) -> None:
    if not steps:
        to.print("No steps planned.")
        return
    columns = ("step", "status", ">attempts", "finished", "result, error or title")
    show(table(columns, [_step_row(step) for step in steps], terminal=to.is_terminal))
    if more:
        to.print("… and more: --steps", style="dim")


def _step_row(step: Step) -> tuple[str, ...]:
    told = step.error or step.summary or ""
    if not told and step.result is not None:
        told = json.dumps(step.result, ensure_ascii=False)
    told = told or step.title or ""
    return (
        step.name,
        step.status.value,
        str(step.attempts),
        moment(step.finished_at),
        _short(told),
    )


def _approval_row(approval: Approval) -> tuple[str, ...]:
    by = approval.decided_by
    told = approval.comment or ""
    if approval.answer is not None:
        told = json.dumps(approval.answer, ensure_ascii=False)
    return (
        approval.name,
        approval.status.value,
        _short(approval.question),
        f"{who(by)} ({approval.channel})" if by and approval.channel else who(by),
        _short(told),
    )


def _short(text: str) -> str:
    return text if len(text) <= 100 else text[:99] + "…"


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
