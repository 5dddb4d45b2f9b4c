"""`safepoint tokens revoke`: a token that shall open nothing any more."""

from __future__ import annotations

import argparse
import asyncio

from safepoint import Token
from safepoint.format.tokens import read_token
from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import one_line
from safepoint_server.cli.tokens_list import listed

EXAMPLES = """\
examples:
  safepoint tokens revoke k5mfx2vq7tzl4pwd     by its id, as `safepoint tokens list` shows it
  safepoint tokens revoke safepoint_…          by the token itself, where one was found

Servers that run refuse it within seconds. Repeating it changes nothing. A token cannot be brought
back; whoever needs one gets another.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", help="the token's id, or the token")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    token = asyncio.run(_revoke(args))
    if args.json:
        print_json(listed(token))
        return 0
    console().print(f"Revoked the token {token.id} of {one_line(token.name)}.", style="green")
    return 0


async def _revoke(args: argparse.Namespace) -> Token:
    token_id = read_token(args.id)[0] if args.id.startswith("safepoint_") else args.id
    async with existing_store(options.settings(args)) as store:
        return await store.tokens.revoke(token_id, by=options.person())
