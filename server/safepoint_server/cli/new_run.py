"""`safepoint new-run`: fresh steps and approvals, and the state that matters goes on."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import InvalidInput, NewRun
from safepoint_server.cli import options
from safepoint_server.cli.changes import print_effects
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line, size

EXAMPLES = """\
examples:
  safepoint new-run my-task                             with the whole state
  safepoint new-run my-task --carry customers,prices    with these keys of it
  safepoint new-run my-task --carry-nothing --run 3     ends run 3 and no other

Earlier runs stay readable: safepoint runs my-task, safepoint history my-task --run 2.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--carry", metavar="KEYS", help="top-level keys of the state, separated by commas"
    )
    what.add_argument("--carry-nothing", action="store_true", help="begin without a state")
    parser.add_argument("--reason", metavar="TEXT", help="why the run before ended")
    parser.add_argument("--run", type=int, metavar="N", help="only if this is the present run")
    parser.add_argument(
        "--even-if-running", action="store_true", help="cut off whoever holds a step"
    )
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    made = asyncio.run(_begin(args))
    if args.json:
        print_json(made)
        return 0
    told = "had begun" if made.repeated else "begins"
    console().print(
        f"Run {made.run} of {one_line(made.workspace)} {told} with version {made.version} and "
        f"{size(made.state_bytes)} of state.",
        style="green",
        soft_wrap=True,
    )
    print_effects(made.effects, "Under way or in doubt in the run before, under the keys shown:")
    return 0


async def _begin(args: argparse.Namespace) -> NewRun:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name, options.person()) as workspace,
    ):
        return await workspace.start_new_run(
            carry=_carry(args),
            reason=args.reason,
            run=args.run,
            even_if_running=args.even_if_running,
        )


def _carry(args: argparse.Namespace) -> str | list[str]:
    if args.carry_nothing:
        return "nothing"
    if args.carry is None:
        return "state"
    keys = [key.strip() for key in args.carry.split(",") if key.strip()]
    if not keys:
        raise InvalidInput("--carry names no key", hint="Use --carry-nothing for none.")
    return keys
