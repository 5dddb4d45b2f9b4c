"""`safepoint keys init`: the key of a new store."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from safepoint import KeySlot, default_key_file
from safepoint_server.cli import options
from safepoint_server.cli.keys_list import print_slots
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.plain import one_line
from safepoint_server.settings import Settings

EXAMPLES = """\
examples:
  safepoint keys init                                     make the default store and its key file
  safepoint keys init --store ~/agents --key-file ~/keys/agents.key
  SAFEPOINT_PASSPHRASE=… safepoint keys init              a store opened by a passphrase
  SAFEPOINT_KMS_KEY=arn:… safepoint keys init             … or by a key of AWS KMS

A store and key that are there already stay as they are.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    settings = options.settings(args)
    key_file = key_file_of(settings)
    existed = key_file is not None and key_file.exists()
    url, identity, slots = asyncio.run(_open(settings))
    made = key_file is not None and not existed
    if args.json:
        print_json(
            {
                "store": url,
                "store_id": identity,
                "key_file": None if key_file is None else str(key_file),
                "key_file_made": made,
                "slots": slots,
            }
        )
        return 0
    to = console()
    to.print(f"Store     {one_line(url)}", soft_wrap=True)
    if key_file is not None:
        words = "made now" if made else "was there already"
        to.print(f"Key file  {one_line(str(key_file))} ({words})", soft_wrap=True)
        to.print(
            "\nBack this file up, apart from the store. Without it, and without another key slot, "
            "nobody can read the store again.",
            style="yellow",
            soft_wrap=True,
        )
    else:
        by = "the key in SAFEPOINT_KMS_KEY. Do not delete it"
        if settings.passphrase is not None:
            by = "the passphrase in SAFEPOINT_PASSPHRASE. Keep it safe"
        to.print(f"Opened by {by}.", soft_wrap=True)
    to.print()
    print_slots(slots)
    return 0


def key_file_of(settings: Settings) -> Path | None:
    """The key file that these settings use, or None when something else opens the store."""
    if settings.passphrase is not None or settings.kms_key is not None:
        return None
    return settings.key_file or default_key_file()


async def _open(settings: Settings) -> tuple[str, str, tuple[KeySlot, ...]]:
    async with settings.open_store(options.actor()) as store:
        return store.url, store.id, await store.slots()
