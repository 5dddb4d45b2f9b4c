"""`safepoint ls`: the workspaces of a store."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime

from safepoint import WorkspaceInfo, WorkspaceStatus
from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.paging import Rows, gather
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import ago, size

EXAMPLES = """\
examples:
  safepoint ls                            every workspace, by name
  safepoint ls billing- --status active   those that start with billing- and have work left
  safepoint ls --json | jq '.workspaces[].name'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prefix", nargs="?", default="", help="only names that start with this")
    parser.add_argument("--status", choices=[status.value for status in WorkspaceStatus])
    options.add_limit_option(parser, 50)
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    found = asyncio.run(_find(args))
    if args.json:
        print_json({"workspaces": found.items, "more": found.more})
        return 0
    to = console()
    if not found.items:
        narrowed = args.prefix or args.status
        to.print("No such workspaces." if narrowed else "No workspaces yet.", soft_wrap=True)
        return 0
    now = datetime.now(UTC)
    columns = ("name", "status", "steps", ">version", ">state", "updated", "next")
    show(table(columns, [_row(info, now) for info in found.items], terminal=to.is_terminal))
    if found.more:
        to.print(f"… and more: --limit {args.limit * 2}", style="dim")
    return 0


async def _find(args: argparse.Namespace) -> Rows[WorkspaceInfo]:
    async with existing_store(options.settings(args)) as store:
        return await gather(
            lambda limit, cursor: store.workspaces(
                args.prefix, status=args.status, limit=limit, cursor=cursor
            ),
            args.limit,
        )


def _row(info: WorkspaceInfo, now: datetime) -> tuple[str, ...]:
    progress = info.progress
    return (
        info.name,
        info.status.value,
        f"{progress.done + progress.skipped}/{progress.total}" if progress.total else "",
        str(info.version),
        size(info.state_bytes) if info.version else "",
        ago(info.updated_at, now) if info.version else "",  # of a damaged one nothing is known
        info.next_action or info.summary or info.goal or "",
    )
