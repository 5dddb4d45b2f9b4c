"""`safepoint copy`: a store, or workspaces of it, to another place."""

from __future__ import annotations

import argparse
import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line, size
from safepoint_server.cli.progress import progress_bar

if TYPE_CHECKING:
    from safepoint.transfer import Copied
    from safepoint.transfer.copied import OnProgress
    from safepoint_server.settings import Settings

EXAMPLES = """\
examples:
  safepoint copy ~/agents s3://bucket/agents              from the laptop to the cloud; the same key
                                                          opens it. Repeat it to bring what is new
  safepoint copy s3://bucket/agents ~/agents              and back
  safepoint copy ~/agents ~/backup --workspace my-task    one workspace, into a store of other keys
     --dst-key-file ~/keys/backup.key

A whole store goes to an empty place, or to an earlier copy of it: objects stay as they are, under
the same keys. With --workspace, DST may be any store, and is made if it is not there: its key is
that of --dst-key-file or SAFEPOINT_DST_PASSPHRASE, or else the one that opens SRC.
Nothing in DST is overwritten. Every record is checked, and read back. An interrupted copy goes on
when it is repeated.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SRC", help="folder or URL of the store to copy")
    parser.add_argument("target", metavar="DST", help="folder or URL to copy it to")
    parser.add_argument(
        "--workspace",
        action="append",
        metavar="NAME",
        help="only this workspace (may be repeated)",
    )
    parser.add_argument(
        "--key-file", metavar="PATH", type=options.user_path, help="key file of SRC"
    )
    parser.add_argument(
        "--dst-key-file",
        metavar="PATH",
        type=options.user_path,
        help="key file of DST, when that is another store",
    )
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    from safepoint_server.settings import Settings

    settings = Settings.load(os.environ, store=args.source, key_file=args.key_file)
    with progress_bar("Copying", shown=not args.json) as told:
        copied = asyncio.run(_copy(args, settings, told))
    if args.json:
        print_json(copied)
    else:
        _print(copied, args.target)
    return 0


async def _copy(args: argparse.Namespace, settings: Settings, told: OnProgress) -> Copied:
    from safepoint.transfer import copy_store, copy_workspaces, open_target, store_id_at

    names = args.workspace
    async with existing_store(settings) as source:
        async with open_target(args.target) as target:
            if names is None or await store_id_at(target) == source.id:
                return await copy_store(source, target, workspaces=names, on_progress=told)
        async with _of_target(args, settings).open_store(options.actor()) as other:
            return await copy_workspaces(source, other, names, on_progress=told)


def _of_target(args: argparse.Namespace, settings: Settings) -> Settings:
    """The settings of DST: with its own key if one is given, else with that of SRC."""
    passphrase = os.environ.get("SAFEPOINT_DST_PASSPHRASE") or None
    if args.dst_key_file is not None:
        passphrase = None
    elif passphrase is None:
        return replace(settings, store=args.target)
    return replace(
        settings,
        store=args.target,
        key_file=args.dst_key_file,
        passphrase=passphrase,
        kms_key=None,
    )


def _print(copied: Copied, target: str) -> None:
    to = console()
    columns = ("workspace", ">version", ">copied", ">there", ">bytes", "")
    rows = []
    for one in copied.workspaces:
        note = "the source has newer versions: copy again" if one.newer else ""
        if one.target_version > one.version:
            note = f"the copy is ahead, at version {one.target_version}"
        counts = (str(one.version), str(one.written), str(one.present), size(one.written_bytes))
        rows.append((one.name, *counts, note))
    if rows:
        show(table(columns, rows, terminal=to.is_terminal))
    written = sum(one.written for one in copied.workspaces)
    present = sum(one.present for one in copied.workspaces)
    files = sum(one.artifacts for one in copied.workspaces)
    told = f"{written} records copied to {one_line(target)}, {present} were there already; "
    told += f"{files} artifacts copied; " if files else ""
    to.print(f"{told}every one was checked.", style="green", soft_wrap=True)
    if copied.slots_kept:
        to.print("The copy's key slots had been changed; it keeps them.", style="yellow")
    if copied.left_out:
        named = one_line(", ".join(copied.left_out))
        to.print(f"No part of a copy, and not copied: {named}", style="yellow", soft_wrap=True)
