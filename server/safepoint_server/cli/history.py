"""`safepoint history`: every commit of a workspace."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import Event
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.paging import Rows, gather
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import compact, moment, size, who

EXAMPLES = """\
examples:
  safepoint history my-task               the newest 20 commits
  safepoint history my-task --limit 1000
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    options.add_limit_option(parser, 20)
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    events = asyncio.run(_read(args))
    if args.json:
        print_json({"workspace": args.name, "events": events.items, "more": events.more})
        return 0
    to = console()
    columns = (">version", "when", "kind", "detail", "by", ">bytes")
    show(table(columns, [_row(event) for event in events.items], terminal=to.is_terminal))
    if events.more:
        to.print(f"… and more: --limit {args.limit * 2}", style="dim")
    return 0


async def _read(args: argparse.Namespace) -> Rows[Event]:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name) as workspace,
    ):
        return await gather(
            lambda limit, cursor: workspace.history(limit=limit, cursor=cursor), args.limit
        )


def _row(event: Event) -> tuple[str, ...]:
    return (
        str(event.version),
        moment(event.at),
        event.kind,
        compact(event.detail),
        who(event.actor),
        size(event.stored_bytes),
    )
