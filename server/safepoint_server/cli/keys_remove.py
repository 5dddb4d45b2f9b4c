"""`safepoint keys remove`: a passphrase or key file that shall open the store no more."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import KeySlot
from safepoint_server.cli import options
from safepoint_server.cli.confirm import confirm
from safepoint_server.cli.keys_list import print_slots
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store

EXAMPLES = """\
examples:
  safepoint keys remove 5f0c21aa          the slot's id, as `safepoint keys list` shows it

The last slot cannot be removed. Asks first when it is the slot that opens the store here and now.
Whoever had both the removed secret and an old copy of the store can still open that copy, and
whoever unlocked the store may have kept the store key: `safepoint keys rotate --store-key`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the slot's id")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    slots = asyncio.run(_remove(args))
    if slots is None:
        console().print("Nothing was removed.")
        return 0
    if args.json:
        print_json({"removed": args.id, "slots": slots})
        return 0
    console().print(f"Removed key slot {args.id}.", style="green")
    print_slots(slots)
    return 0


async def _remove(args: argparse.Namespace) -> tuple[KeySlot, ...] | None:
    async with existing_store(options.settings(args)) as store:
        in_use = args.id == store.keys.opened_slot and len(await store.slots()) > 1
        if in_use and not args.yes and not _confirmed(args.id):
            return None
        await store.remove_slot(args.id)
        return await store.slots()


def _confirmed(slot: str) -> bool:
    return confirm(
        f"Key slot {slot} is the one that opens the store here and now. With the same settings "
        "the store will open no more. Remove it?",
        otherwise="Give --yes if another key of yours opens the store.",
    )
