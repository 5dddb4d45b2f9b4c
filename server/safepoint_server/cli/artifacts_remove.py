"""`safepoint artifacts remove`: an artifact is current no longer."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import RemovedArtifact
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line

EXAMPLES = """\
examples:
  safepoint artifacts remove my-task report.pdf

Earlier versions of the workspace still have it: its revisions stay until retention takes them.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", help="the workspace")
    parser.add_argument("name", help="name of the artifact")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    removed = asyncio.run(_remove(args))
    if args.json:
        print_json({"removed": removed})
        return 0
    told = (
        "had been removed before" if removed.repeated else f"removed in version {removed.version}"
    )
    console().print(f"{one_line(removed.name)}: {told}.", style="green", soft_wrap=True)
    return 0


async def _remove(args: argparse.Namespace) -> RemovedArtifact:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.workspace) as workspace,
    ):
        return await workspace.artifacts.remove(args.name)
