"""`safepoint pin`: keep a version whatever the policy says."""

from __future__ import annotations

import argparse
import asyncio

from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store

EXAMPLES = """\
examples:
  safepoint pin my-task 120       version 120 stays; `safepoint unpin my-task 120` lets it go again
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the workspace")
    parser.add_argument("version", metavar="VERSION", type=int, help="the version")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    changed, pins = asyncio.run(change_pin(args, pin=True))
    if args.json:
        print_json({"workspace": args.name, "pinned": args.version, "changed": changed,
                    "pins": pins})  # fmt: skip
    else:
        console().print(f"version {args.version} {'is' if changed else 'was already'} pinned")
    return 0


async def change_pin(args: argparse.Namespace, *, pin: bool) -> tuple[bool, tuple[int, ...]]:
    """Whether that changed anything, and all pins there are then."""
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name) as workspace,
    ):
        retention = workspace.retention
        changed = await (retention.pin if pin else retention.unpin)(args.version)
        return changed, (await retention.get()).pins
