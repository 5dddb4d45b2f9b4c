"""`safepoint runs`: the runs of a workspace, newest first."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import Run
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import moment

EXAMPLES = """\
examples:
  safepoint runs my-task
  safepoint history my-task --run 2     the commits of one run
  safepoint show my-task --run 2        as it was when run 2 ended
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    runs = asyncio.run(_read(args))
    if args.json:
        print_json({"workspace": args.name, "runs": runs})
        return 0
    columns = (">run", ">versions", "started", "ended", ">steps", ">done", "reason")
    show(table(columns, [_row(one) for one in runs], terminal=console().is_terminal))
    return 0


async def _read(args: argparse.Namespace) -> tuple[Run, ...]:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name) as workspace,
    ):
        return await workspace.runs()


def _row(one: Run) -> tuple[str, ...]:
    return (
        str(one.run),
        f"{one.first_version}-{one.last_version}",
        moment(one.started_at),
        moment(one.ended_at) if one.ended_at else "",
        str(one.steps),
        str(one.done),
        one.reason or "",
    )
