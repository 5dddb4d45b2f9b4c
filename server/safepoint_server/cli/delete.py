"""`safepoint delete`: a workspace for good, its keys first."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import Damaged, Deleted, InvalidInput, Store
from safepoint_server.cli import options
from safepoint_server.cli.confirm import confirm, confirm_by_typing
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import ago, one_line

EXAMPLES = """\
examples:
  safepoint delete my-task                      asks twice
  safepoint delete my-task --confirm my-task    asks nothing, for scripts

The keys are destroyed first: after that nobody can read the workspace, here or in a copy of the
store that was made without its keys. A copy with its keys stays readable.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the workspace")
    parser.add_argument("--confirm", metavar="NAME", help="its name again, instead of being asked")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    deleted = asyncio.run(_delete(args))
    if deleted is None:
        console().print("Nothing was deleted.")
        return 0
    if args.json:
        print_json({"deleted": deleted})
        return 0
    to = console()
    to.print(
        f"Deleted {one_line(deleted.workspace)}: its keys are destroyed, ", end="", style="green"
    )
    to.print(f"{deleted.removed} objects removed.", style="green")
    if deleted.left:
        to.print(
            f"{deleted.left} sealed records of the last hour stay, so that no idle process takes "
            "their numbers.\nNobody can read them; the same command removes them in an hour."
        )
    return 0


async def _delete(args: argparse.Namespace) -> Deleted | None:
    async with existing_store(options.settings(args)) as store:
        if await _confirmed(args, store):
            return await store.delete(args.name)
    return None


async def _confirmed(args: argparse.Namespace, store: Store) -> bool:
    """Whether the person, who saw what would go, typed the name and then said yes."""
    if args.confirm is not None:
        if args.confirm != args.name:
            raise InvalidInput(
                f"--confirm {one_line(args.confirm)} is not the name of the workspace to delete, "
                f"{one_line(args.name)}; nothing was deleted",
                hint="Give the same name twice.",
                code="not_confirmed",
            )
        return True
    question = f"{await _told(args.name, store)} All of it will be gone for good."
    otherwise = f"Give --confirm {args.name}."
    return confirm_by_typing(args.name, question, otherwise=otherwise) and confirm(
        "Destroy its keys and remove it now?", otherwise=otherwise
    )


async def _told(name: str, store: Store) -> str:
    """What would go, as far as it can be read."""
    try:
        async with found_workspace(store, name) as workspace:
            brief = (await workspace.load()).brief
    except Damaged as error:
        return f"{one_line(name)} does not open; damaged: {one_line(error.message)}."
    saved = f", last saved {ago(brief.saved_at, store.now())}" if brief.saved_at else ""
    return (
        f"{one_line(name)} has {brief.version} versions and {brief.progress.done} of "
        f"{brief.progress.total} steps done{saved}."
    )
