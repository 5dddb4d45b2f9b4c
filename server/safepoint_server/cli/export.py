"""`safepoint export`: workspaces as readable files."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from safepoint import InvalidInput
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line

if TYPE_CHECKING:
    from safepoint.transfer import Exported

EXAMPLES = """\
examples:
  safepoint export my-task ~/my-task            every checkpoint, the steps, the history
  safepoint export my-task ~/my-task --latest   only the newest checkpoint
  safepoint export --all ~/everything           a folder for each workspace

The files are JSON, and the artifacts, and not encrypted; the folder is yours alone (mode 0700). It
appears whole or not at all. `safepoint import` brings it back, edited or not.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="the workspace")
    parser.add_argument(
        "folder", metavar="DIR", type=options.user_path, help="a folder, new or empty"
    )
    parser.add_argument("--all", action="store_true", help="all workspaces instead of one")
    parser.add_argument("--latest", action="store_true", help="only the newest checkpoint")
    parser.add_argument("--force", action="store_true", help="replace an earlier export in DIR")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    if (args.name is None) != args.all:
        raise InvalidInput(
            "export takes the name of a workspace, or --all, and a folder",
            hint="`safepoint export --help` shows how it is used.",
        )
    exported = asyncio.run(_export(args))
    if args.json:
        print_json({"workspaces": [_fields(one) for one in exported]})
        return 0
    to = console()
    counts = [(e.version, e.checkpoints, e.steps, e.artifacts) for e in exported]
    rows = [(e.name, *map(str, some)) for e, some in zip(exported, counts, strict=True)]
    columns = ("workspace", ">version", ">checkpoints", ">steps", ">artifacts")
    show(table(columns, rows, terminal=to.is_terminal))
    to.print(f"Written to {one_line(str(args.folder))}", style="green", soft_wrap=True)
    return 0


async def _export(args: argparse.Namespace) -> tuple[Exported, ...]:
    from safepoint.transfer import export_store, export_workspace

    how = {"latest": args.latest, "force": args.force}
    async with existing_store(options.settings(args)) as store:
        if args.all:
            return await export_store(store, args.folder, **how)
        async with found_workspace(store, args.name):
            return (await export_workspace(store, args.name, args.folder, **how),)


def _fields(exported: Exported) -> dict[str, object]:
    return {
        "name": exported.name,
        "version": exported.version,
        "folder": str(exported.folder),
        "checkpoints": exported.checkpoints,
        "steps": exported.steps,
        "artifacts": exported.artifacts,
    }
