"""`safepoint import`: exported files as a workspace, or as a checkpoint of one."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from safepoint import InvalidInput, Saved
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line

if TYPE_CHECKING:
    from safepoint.transfer import Imported

EXAMPLES = """\
examples:
  safepoint import ~/my-task                    a new workspace, with its checkpoints and steps
  safepoint import ~/my-task --as my-task-2     under another name
  safepoint import ~/my-task --into my-task     the newest state, edited, as a new checkpoint

A new workspace has times, versions and attempt numbers of its own; every version of it says what
was imported and by whom. With --into nothing is saved when the workspace was changed since the
export, unless --force is given.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", metavar="DIR", type=options.user_path, help="what `safepoint export` wrote"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--as", dest="new_name", metavar="NAME", help="name of the new workspace")
    where.add_argument("--into", metavar="NAME", help="save the newest state in this workspace")
    parser.add_argument("--label", help="with --into: label of the new checkpoint")
    parser.add_argument(
        "--force", action="store_true", help="with --into: even if it was changed since"
    )
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    if args.into is not None:
        saved = asyncio.run(_save(args))
        if args.json:
            print_json({"saved": saved})
        else:
            told = "Nothing was edited; nothing was saved."
            if saved is not None:
                told = f"Saved as version {saved.version} of {one_line(saved.workspace)}."
            console().print(told, style="green", soft_wrap=True)
        return 0
    if args.label is not None or args.force:
        raise InvalidInput("--label and --force go with --into", hint="Leave them out.")
    imported = asyncio.run(_import(args))
    if args.json:
        print_json(imported)
    else:
        _print(imported)
    return 0


async def _save(args: argparse.Namespace) -> Saved | None:
    from safepoint.transfer import import_checkpoint

    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.into),
    ):
        return await import_checkpoint(
            store,
            args.folder,
            args.into,
            label=args.label,
            force=args.force,
            actor=options.actor(),
        )


async def _import(args: argparse.Namespace) -> Imported:
    from safepoint.transfer import import_workspace
    from safepoint.transfer.imported import read_export

    await asyncio.to_thread(read_export, args.folder)  # no store is made for files that are wrong
    async with options.settings(args).open_store(options.actor()) as store:
        return await import_workspace(store, args.folder, name=args.new_name)


def _print(imported: Imported) -> None:
    to = console()
    name, origin = one_line(imported.name), one_line(imported.origin)
    counts = f"{imported.checkpoints} checkpoints and {imported.steps} steps"
    counts += f", {imported.artifacts} artifacts" if imported.artifacts else ""
    told = f"Imported {origin} as {name}: {counts}."
    if imported.repeated:
        told = f"These files had been imported as {name} before; nothing was written."
    to.print(told, style="green", soft_wrap=True)
    for doubt in imported.in_doubt:
        to.print(
            f"Step {one_line(doubt.step)} was under way and never reported. Its effect may have "
            f"happened under the idempotency key {one_line(doubt.old_key)}; a new attempt here "
            f"gets {one_line(doubt.new_key)}. Check outside first.",
            style="yellow",
            soft_wrap=True,
        )
