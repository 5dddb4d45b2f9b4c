"""`safepoint tokens list`: who may use this store over HTTP, never with what secret."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from safepoint import Token
from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import moment

EXAMPLES = """\
examples:
  safepoint tokens list                   those that are valid now
  safepoint tokens list --all             and those that expired or were revoked
  safepoint tokens list --json

Tokens for tenants are kept in the store that the tenants' stores lie in, and listed there.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also those that open nothing any more")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    tokens = asyncio.run(_tokens(args))
    if args.json:
        print_json({"tokens": [listed(token) for token in tokens]})
    elif tokens:
        print_tokens(tokens)
    else:
        console().print("There are no tokens. `safepoint tokens create NAME` makes one.")
    return 0


async def _tokens(args: argparse.Namespace) -> list[Token]:
    async with existing_store(options.settings(args)) as store:
        now = store.now()
        found = await store.tokens.list()
        return [token for token in found if args.all or token.valid_at(now)]


def listed(token: Token) -> dict[str, Any]:
    """The token for programs."""
    return {**asdict(token), "status": _status(token)}


def print_tokens(tokens: Sequence[Token]) -> None:
    rows = [
        (
            token.id,
            token.name,
            ",".join(token.scopes),
            " ".join(token.workspaces) or "all",
            token.tenant or "",
            moment(token.created_at),
            moment(token.expires_at) if token.expires_at else "never",
            _status(token),
        )
        for token in tokens
    ]
    columns = ("token", "name", "scopes", "workspaces", "tenant", "made", "expires", "")
    show(table(columns, rows, terminal=console().is_terminal))


def _status(token: Token) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "valid" if token.valid_at(datetime.now(UTC)) else "expired"
