"""`safepoint keys rotate`: new data keys for workspaces, or a new store key for all of it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys

from safepoint import Conflict, InvalidInput, KeysRotated, Store
from safepoint_server.cli import options
from safepoint_server.cli.confirm import confirm
from safepoint_server.cli.exits import exit_code
from safepoint_server.cli.output import console, print_error, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line
from safepoint_server.cli.progress import progress_bar

EXAMPLES = """\
examples:
  safepoint keys rotate                   a new data key for every workspace
  safepoint keys rotate my-task           … for this one
  safepoint keys rotate --store-key       a new store key too, after a key file or passphrase leaked
  safepoint keys rotate --store-key --keep-key-file ~/keys/ann.key --keep-passphrase

Agents go on while data keys are rotated. With --store-key, programs that have the store open have
to be started again. Only the key slot that opens the store here stays, and those whose secrets are
given; the others open nothing any more. What is stored already is not encrypted again: whoever
copied the store and has an old key can read that copy, and the records that were in it.

For programs the passphrase to keep is read from SAFEPOINT_KEEP_PASSPHRASE. If it fails or is
stopped, repeat it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="workspaces (default: all)")
    parser.add_argument("--store-key", action="store_true", help="replace the store key too")
    parser.add_argument(
        "--keep-key-file",
        action="append",
        default=[],
        type=options.user_path,
        metavar="PATH",
        help="with --store-key: a key file that shall go on opening the store",
    )
    parser.add_argument(
        "--keep-passphrase", action="store_true", help="… a passphrase; asks for it"
    )
    parser.add_argument(
        "--keep-kms", action="append", default=[], metavar="ARN", help="… a key of AWS KMS"
    )
    parser.add_argument("--yes", action="store_true", help="drop all other slots without asking")
    parser.add_argument(
        "--keep-old-manifests",
        action="store_true",
        help="do not remove the superseded objects that hold the keys as they were wrapped before",
    )
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    kept = args.keep_key_file or args.keep_passphrase or args.keep_kms
    if args.store_key and args.names:
        raise InvalidInput(
            "the store key is that of all workspaces", hint="Leave the names or --store-key out."
        )
    if kept and not args.store_key:
        raise InvalidInput(
            "key slots change with the store key only", hint="Add --store-key, or leave them."
        )
    passphrases = [_passphrase()] if args.keep_passphrase else []
    done = asyncio.run(_rotate(args, passphrases))
    if done is None:
        console().print("Nothing was changed.")
        return 0
    if args.json:
        print_json(_as_json(done))
    else:
        _print(done)
    return exit_code(done.failed[0][1]) if done.failed else 0


async def _rotate(args: argparse.Namespace, passphrases: list[str]) -> KeysRotated | None:
    async with existing_store(options.settings(args)) as store:
        if not args.store_key:
            with progress_bar("Rotating", shown=not args.json) as told:
                return await store.keys.rotate(
                    args.names or None, keep_old=args.keep_old_manifests, on_progress=told
                )
        try:
            return await _rotate_store_key(args, passphrases, store, drop_others=args.yes)
        except Conflict as error:
            if error.code != "slots_dropped" or not _confirmed(error):
                raise
        return await _rotate_store_key(args, passphrases, store, drop_others=True)


async def _rotate_store_key(
    args: argparse.Namespace, passphrases: list[str], store: Store, *, drop_others: bool
) -> KeysRotated:
    with progress_bar("Rotating", shown=not args.json) as told:
        return await store.keys.rotate_store_key(
            key_files=args.keep_key_file,
            passphrases=passphrases,
            kms_keys=args.keep_kms,
            drop_others=drop_others,
            keep_old=args.keep_old_manifests,
            on_progress=told,
        )


def _confirmed(error: Conflict) -> bool:
    otherwise = (
        "Give their secrets too (--keep-key-file, --keep-passphrase, --keep-kms), or --yes to "
        "drop them. Nothing was changed."
    )
    try:
        return confirm(f"{error.message}. Go on?", otherwise=otherwise)
    except InvalidInput:
        raise Conflict(error.message, hint=otherwise, code=error.code) from None


def _passphrase() -> str:
    given = os.environ.get("SAFEPOINT_KEEP_PASSPHRASE")
    if given:
        return given
    if not sys.stdin.isatty():
        raise InvalidInput(
            "there is no terminal to ask for the passphrase on",
            hint="set SAFEPOINT_KEEP_PASSPHRASE, or run this on a terminal",
        )
    try:
        return getpass.getpass("Passphrase to keep: ")
    except EOFError:
        raise InvalidInput("no passphrase was given", hint="Nothing was changed.") from None


def _as_json(done: KeysRotated) -> dict[str, object]:
    failed = [
        {"name": name, "code": error.code, "message": error.message} for name, error in done.failed
    ]
    return {
        "workspaces": done.workspaces,
        "failed": failed,
        "store_key": done.store_key,
        "finished": done.finished,
        "resumed": done.resumed,
        "kept_slots": done.kept_slots,
        "dropped_slots": done.dropped_slots,
    }


def _print(done: KeysRotated) -> None:
    to = console()
    for one in done.workspaces:
        to.print(f"{one_line(one.name)}: {one.data_keys} data keys, from version {one.version} on")
    count = len(done.workspaces)
    to.print(f"New data keys for {count} workspace{'' if count == 1 else 's'}.", style="green")
    if done.store_key and done.finished:
        what = "An earlier change of the store key is finished" if done.resumed else "New store key"
        to.print(f"{what}. Start the programs that have the store open again.", style="green")
    if done.dropped_slots:
        to.print(f"Dropped key slots: {', '.join(done.dropped_slots)}.", style="yellow")
    for name, error in done.failed:
        print_error(f"{name}: {error.message}", error.hint)
    if done.failed:
        rest = "The previous store key still counts until all are done. " if done.store_key else ""
        print_error(f"not finished. {rest}", "Mend what is named above, then repeat the command.")
