"""`safepoint tokens create`: a bearer token, shown once, for a server over HTTP."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from datetime import timedelta

from safepoint import InvalidInput, Token
from safepoint.address import tenant_address
from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.plain import one_line
from safepoint_server.cli.spans import span
from safepoint_server.cli.tokens_list import listed, print_tokens
from safepoint_server.patterns import Patterns
from safepoint_server.scopes import Scope

EXAMPLES = """\
examples:
  safepoint tokens create ci-of-billing --workspaces 'billing-*' --expires 30d
  safepoint tokens create anna --scope read,write,approve
  safepoint tokens create wall-screen --scope read --expires never
  safepoint tokens create acme --tenant acme       a store of its own, with keys of its own

The token is printed once and stored as a hash. Who has it may do what its scopes say:
  read      load, list and compare
  write     save, plan, start and mark steps, ask for approvals, fork, rewind
  approve   answer approvals in the dialog of the MCP client, so for people only
  admin     what belongs to the operator of the server, such as its metrics
A server lets tokens in with `safepoint serve --transport http --auth tokens`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="who holds it: history names it as the author")
    parser.add_argument(
        "--scope",
        type=_scopes,
        default=(Scope.READ, Scope.WRITE),
        metavar="NAMES",
        help=f"what it may do, of {', '.join(Scope)} (default: read,write)",
    )
    parser.add_argument(
        "--workspaces",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only workspaces of such names, * for anything; may be repeated (default: all)",
    )
    parser.add_argument(
        "--tenant", metavar="T", help="in the store of this tenant, made when it is not there"
    )
    parser.add_argument(
        "--expires",
        type=_expiry,
        default=timedelta(days=90),
        metavar="SPAN",
        help="after 90d, 12h or never (default: 90d)",
    )
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    text, token = asyncio.run(_create(args))
    if args.json:
        print_json({"token": text, **listed(token)})
        return 0
    to = console()
    print_tokens([token])
    to.print("\nIts token, shown this once:", style="yellow")
    to.print(text, soft_wrap=True)
    to.print(f"\nTo end it: safepoint tokens revoke {token.id}")
    return 0


async def _create(args: argparse.Namespace) -> tuple[str, Token]:
    patterns = Patterns(tuple(args.workspaces)).patterns
    settings = options.settings(args)
    if args.tenant is not None and Scope.ADMIN in args.scope:
        raise InvalidInput(
            "a token of a tenant cannot have the scope admin: what that opens tells of all tenants",
            hint="Leave out --tenant for the operator's own token.",
        )
    if args.tenant is not None:
        there = replace(settings, store=tenant_address(settings.store, args.tenant))
        async with there.open_store(options.actor()):
            pass
    async with settings.open_store(options.actor()) as store:
        return await store.tokens.create(
            args.name,
            args.scope,
            by=options.person(),
            tenant=args.tenant,
            workspaces=patterns,
            expires_at=store.now() + args.expires if args.expires else None,
        )


def _scopes(text: str) -> tuple[Scope, ...]:
    given = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [part for part in given if part not in list(Scope)]
    if unknown or not given:
        told = one_line(unknown[0][:40]) if unknown else text
        raise argparse.ArgumentTypeError(f"{told!r} is not a scope: there are {', '.join(Scope)}")
    return tuple(scope for scope in Scope if scope in given)


def _expiry(text: str) -> timedelta | None:
    return None if text.strip().lower() == "never" else span(text)
