"""`safepoint fork`: a workspace of its own from any version of another."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import Forked
from safepoint_server.cli import options
from safepoint_server.cli.changes import print_effects
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line

EXAMPLES = """\
examples:
  safepoint fork my-task my-task-b                  as it is now
  safepoint fork my-task my-task-b --version 12     as it was at version 12
  safepoint fork my-task my-task-b --label draft --reason 'try the other supplier'

The fork has its own keys, versions and idempotency keys. Approvals and leases stay behind.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    parser.add_argument("new_name", metavar="NEW", help="name of the fork")
    options.add_target_options(parser, "as it was at")
    parser.add_argument("--reason", metavar="TEXT", help="why, for the history of both")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    forked = asyncio.run(_fork(args))
    if args.json:
        print_json(forked)
        return 0
    told = "had been forked before" if forked.repeated else "is a fork"
    files = f", {forked.artifacts} artifacts" if forked.artifacts else ""
    console().print(
        f"{one_line(forked.workspace)} {told} of {one_line(forked.origin)} at version "
        f"{forked.origin_version}: {forked.done} steps done{files}.",
        style="green",
        soft_wrap=True,
    )
    print_effects(
        forked.effects,
        "These steps were under way in the origin, or ran there later, under the keys shown. The "
        "fork's keys are others: check outside before they run again there.",
    )
    return 0


async def _fork(args: argparse.Namespace) -> Forked:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name, options.person()) as workspace,
    ):
        return await workspace.fork(
            args.new_name, version=args.version, label=args.label, reason=args.reason
        )
