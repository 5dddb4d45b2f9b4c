"""`safepoint due`: the workspaces that somebody should take up now, and why."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

from safepoint import WorkspaceInfo
from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.paging import Rows, gather
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import ago

EXAMPLES = """\
examples:
  safepoint due                           what is ready: timers, retries, interruptions, answers
  safepoint due billing-                  of workspaces that start with billing-
  safepoint due --json | jq -r '.workspaces[].name'     to start an agent for each
"""

_WORDS = {
    "step": "step can start",
    "retry": "step can be tried again",
    "interrupted": "step was interrupted",
    "decided": "approval was decided",
    "expired": "approval expired unanswered",
    "reminder": "approval is still open",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prefix", nargs="?", default="", help="only names that start with this")
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
        to.print("Nothing is due.")
        return 0
    now = datetime.now(UTC)
    rows = [row for info in found.items for row in _rows(info, now)]
    show(table(("workspace", "what", "name", "since"), rows, terminal=to.is_terminal))
    if found.more:
        to.print(f"… and more: --limit {args.limit * 2}", style="dim")
    return 0


async def _find(args: argparse.Namespace) -> Rows[WorkspaceInfo]:
    async with existing_store(options.settings(args)) as store:
        return await gather(
            lambda limit, cursor: store.workspaces(
                args.prefix, status="due", limit=limit, cursor=cursor
            ),
            args.limit,
        )


def _rows(info: WorkspaceInfo, now: datetime) -> Iterator[tuple[str, ...]]:
    for due in info.due:
        yield info.name, _WORDS.get(due.kind, due.kind), due.name, ago(due.since, now)
