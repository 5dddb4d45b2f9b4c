"""`safepoint keys remove`: a passphrase or key file that shall open the store no more."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import KeySlot
from safepoint_server.cli import options
from safepoint_server.cli.keys_list import print_slots
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store

EXAMPLES = """\
examples:
  safepoint keys remove 5f0c21aa          the slot's id, as `safepoint keys list` shows it

The last slot cannot be removed. Whoever had both the removed secret and an old copy of the store
can still open that copy.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the slot's id")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    slots = asyncio.run(_remove(args))
    if args.json:
        print_json({"removed": args.id, "slots": slots})
        return 0
    console().print(f"Removed key slot {args.id}.", style="green")
    print_slots(slots)
    return 0


async def _remove(args: argparse.Namespace) -> tuple[KeySlot, ...]:
    async with existing_store(options.settings(args)) as store:
        await store.remove_slot(args.id)
        return await store.slots()
