"""`safepoint history`: every commit of a workspace."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import Event
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_run, found_workspace
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.paging import Rows, gather
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import compact, moment, size, who

EXAMPLES = """\
examples:
  safepoint history my-task               the newest 20 commits
  safepoint history my-task --limit 1000
  safepoint history my-task --run 2       the newest 20 of an earlier run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    parser.add_argument("--run", type=int, metavar="N", help="only the commits of this run")
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
        if args.run is None:
            return await gather(
                lambda limit, cursor: workspace.history(limit=limit, cursor=cursor), args.limit
            )
        one = await found_run(workspace, args.run)
        after = str(one.last_version + 1)
        rows = await gather(
            lambda limit, cursor: workspace.history(limit=limit, cursor=cursor or after), args.limit
        )
        items = tuple(event for event in rows.items if event.version >= one.first_version)
        return Rows(items, rows.more and len(items) == len(rows.items))


def _row(event: Event) -> tuple[str, ...]:
    return (
        str(event.version),
        moment(event.at),
        event.kind,
        compact(event.detail),
        who(event.actor),
        size(event.stored_bytes),
    )
