"""`safepoint keys add`: another passphrase, key file or KMS key that opens the store."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys

from safepoint import InvalidInput, KeySlot
from safepoint_server.cli import options
from safepoint_server.cli.keys_list import print_slots
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line

EXAMPLES = """\
examples:
  safepoint keys add --passphrase --label 'in the safe'     asks for it twice, without echo
  safepoint keys add --new-key-file ~/keys/second.key       made if it is not there
  safepoint keys add --kms arn:aws:kms:eu-central-1:…:key/…  whoever may use this key of AWS KMS

For programs the new passphrase is read from SAFEPOINT_NEW_PASSPHRASE. Nothing that is stored is
written again: any one slot opens the store.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--passphrase", action="store_true", help="add a passphrase")
    kind.add_argument(
        "--new-key-file", type=options.user_path, metavar="PATH", help="add a key file"
    )
    kind.add_argument("--kms", metavar="ARN", help="add a key of AWS KMS")
    parser.add_argument("--label", default="", help="a word on what this slot is for")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    passphrase = _new_passphrase() if args.passphrase else None
    added, slots = asyncio.run(_add(args, passphrase))
    if args.json:
        print_json({"added": added, "slots": slots})
        return 0
    to = console()
    to.print(f"Added key slot {added.id}.", style="green")
    if args.new_key_file is not None:
        path = one_line(str(args.new_key_file))
        to.print(f"Back up {path}, apart from the store.", style="yellow", soft_wrap=True)
    print_slots(slots)
    return 0


async def _add(
    args: argparse.Namespace, passphrase: str | None
) -> tuple[KeySlot, tuple[KeySlot, ...]]:
    async with existing_store(options.settings(args)) as store:
        if passphrase is not None:
            added = await store.add_passphrase_slot(passphrase, label=args.label)
        elif args.kms is not None:
            added = await store.add_kms_slot(args.kms, label=args.label)
        else:
            added = await store.add_key_file_slot(args.new_key_file, label=args.label)
        return added, await store.slots()


def _new_passphrase() -> str:
    given = os.environ.get("SAFEPOINT_NEW_PASSPHRASE")
    if given:
        return given
    if not sys.stdin.isatty():
        raise InvalidInput(
            "there is no terminal to ask for the new passphrase on",
            hint="set SAFEPOINT_NEW_PASSPHRASE, or run this on a terminal",
        )
    try:
        first = getpass.getpass("New passphrase: ")
        again = getpass.getpass("The same again: ")
    except EOFError:
        raise InvalidInput("no passphrase was given", hint="Nothing was changed.") from None
    if again != first:
        raise InvalidInput("the two passphrases differ", hint="Nothing was changed; try again.")
    return first
