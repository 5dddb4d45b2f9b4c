"""`safepoint artifacts list`: the files of a workspace, or the revisions of one."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import ArtifactInfo
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.paging import Rows, gather
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import moment, size, who

EXAMPLES = """\
examples:
  safepoint artifacts list my-task                        what there is now
  safepoint artifacts list my-task charts/                only names that start with charts/
  safepoint artifacts list my-task --version 7            what there was at version 7
  safepoint artifacts list my-task --revisions plan.pdf   every revision of one, newest first
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", help="the workspace")
    parser.add_argument("prefix", nargs="?", default="", help="only names that start with this")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, metavar="N", help="as of this version")
    which.add_argument("--revisions", metavar="NAME", help="the revisions of this artifact")
    options.add_limit_option(parser, 100)
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    found = asyncio.run(_find(args))
    if args.json:
        print_json({"artifacts": found.items, "more": found.more})
        return 0
    to = console()
    if not found.items:
        to.print("No such artifacts." if args.prefix else "No artifacts yet.", soft_wrap=True)
        return 0
    columns = ("name", ">revision", ">size", "type", ">version", "saved", "by", "summary")
    show(table(columns, [_row(info) for info in found.items], terminal=to.is_terminal))
    if found.more:
        to.print(f"… and more: --limit {args.limit * 2}", style="dim")
    return 0


async def _find(args: argparse.Namespace) -> Rows[ArtifactInfo]:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.workspace) as workspace,
    ):
        artifacts = workspace.artifacts
        if args.revisions is not None:
            return await gather(
                lambda limit, cursor: artifacts.revisions(
                    args.revisions, limit=limit, cursor=cursor
                ),
                args.limit,
            )
        return await gather(
            lambda limit, cursor: artifacts.list(
                args.prefix, version=args.version, limit=limit, cursor=cursor
            ),
            args.limit,
        )


def _row(info: ArtifactInfo) -> tuple[str, ...]:
    kind = f"{info.media_type} (executable)" if info.executable else info.media_type
    return (
        info.name,
        str(info.revision),
        size(info.size),
        kind,
        str(info.version),
        moment(info.saved_at),
        who(info.saved_by),
        info.summary or "",
    )
