"""`safepoint demo`: an agent is killed again and again and still finishes its job."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from safepoint_server.cli import options
from safepoint_server.cli.exits import Exit
from safepoint_server.cli.output import console, print_error, print_json

if TYPE_CHECKING:
    from safepoint_server.demo.director import Place, Wishes

EXAMPLES = """\
examples:
  safepoint demo                          with a store of its own, under a minute
  safepoint demo --store s3://bucket/dir  in a bucket, by two MCP servers at once
  safepoint demo --folder ~/notes         on your own text files
  safepoint demo --kills 12 --seed 7      more often; the seed fixes the random choices
  safepoint demo --ignore-keys            a ticket service without idempotency: it must fail
"""

_FILES: Final = 14
_KILLS: Final = 7
_MOST_KILLS: Final = 50
_MOST_SERVERS: Final = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder",
        type=options.user_path,
        metavar="DIR",
        help="text files to read (default: documentation)",
    )
    parser.add_argument(
        "--files", type=_number(1, 200), default=_FILES, metavar="N", help="at most this many files"
    )
    parser.add_argument(
        "--kills",
        type=_number(0, _MOST_KILLS),
        default=_KILLS,
        metavar="N",
        help=f"default: {_KILLS}",
    )
    parser.add_argument("--seed", type=int, metavar="N", help="of the random moments")
    parser.add_argument(
        "--servers",
        type=_number(1, _MOST_SERVERS),
        metavar="N",
        help="MCP servers of each agent, called in turn (default: 1, for a store in a bucket 2)",
    )
    parser.add_argument(
        "--ignore-keys",
        action="store_true",
        help="the ticket service ignores idempotency keys, so that tickets are doubled",
    )
    options.add_store_options(parser)
    options.add_json_option(parser)


def _number(low: int, high: int) -> type[int]:
    def parse(text: str) -> int:
        number = int(text) if text.isdecimal() else -1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
        return number

    return parse  # type: ignore[return-value]  # argparse takes any callable


def run(args: argparse.Namespace) -> int:
    from safepoint_server.demo.director import AgentFailed, direct
    from safepoint_server.demo.screen import Screen
    from safepoint_server.demo.summary import as_document, print_introduction, print_summary

    to = console(sys.stderr if args.json else sys.stdout)
    place = _place(args)
    wishes = _wishes(args, place.store)
    about = str(args.folder) if args.folder else "documentation and licences of this machine"
    print_introduction(to, wishes, about)
    try:
        outcome = direct(place, wishes, options.actor(), Screen(to))
    except AgentFailed as failed:
        print_error(str(failed), f"its log is {failed.log}")
        return Exit.FAILED
    if args.json:
        print_json(as_document(outcome))
    else:
        print_summary(to, outcome)
    return Exit.OK if outcome.verdict.ok else Exit.FAILED


def _wishes(args: argparse.Namespace, store: str) -> Wishes:
    from safepoint_server.demo.director import Wishes
    from safepoint_server.demo.sources import of_folder, of_this_machine

    folder = args.folder
    found = of_folder(folder, args.files) if folder else of_this_machine(args.files)
    seed = secrets.randbelow(10_000) if args.seed is None else args.seed
    return Wishes(
        tuple(found),
        args.kills,
        seed,
        honours_keys=not args.ignore_keys,
        servers=args.servers or (2 if store.startswith("s3://") else 1),
    )


def _place(args: argparse.Namespace) -> Place:
    """A store of its own, unless the user names one, here or in the environment."""
    from safepoint_server.cli.keys_init import key_file_of
    from safepoint_server.demo.director import Place, in_new_folder

    own = in_new_folder()
    if args.store is None and not os.environ.get("SAFEPOINT_STORE"):
        return own
    settings = options.settings(args)
    name = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    return Place(settings.store, key_file_of(settings), name, own.folder, settings.open_store)
