"""`safepoint retention`: what workspaces keep."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from safepoint import Retention, RetentionPolicy
from safepoint_server.cli import options
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.parser import UsageError
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import moment
from safepoint_server.cli.spans import add_policy_options, policy_given

EXAMPLES = """\
examples:
  safepoint retention                          the policy of the store
  safepoint retention --keep-within 30d        for all workspaces without one of their own
  safepoint retention my-task --keep-last 50   for this workspace, whatever the store's is
  safepoint retention my-task --keep-everything
  safepoint retention my-task --clear          leave it to the store's again

What either rule keeps is kept. A policy takes nothing by itself: `safepoint prune` does, and the
servers and programs that work on the store do now and then (SAFEPOINT_PRUNE=off stops those).
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="a workspace; without: the store")
    add_policy_options(parser)
    parser.add_argument(
        "--keep-everything", action="store_true", help="a policy that takes nothing"
    )
    parser.add_argument("--clear", action="store_true", help="take the policy away")
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    given = policy_given(args)
    if (given is not None) + args.keep_everything + args.clear > 1:
        raise UsageError("give a policy, --keep-everything or --clear, not two of them")
    change = given is not None or args.keep_everything or args.clear
    policy = RetentionPolicy() if args.keep_everything else given
    if args.name is None:
        general = asyncio.run(_of_store(args, policy, change=change))
        if args.json:
            print_json({"store": _fields(general)})
        else:
            console().print(f"store: {general or 'keep everything (no policy)'}")
        return 0
    told = asyncio.run(_of_workspace(args, policy, change=change))
    if args.json:
        print_json(_document(args.name, told))
    else:
        _print(told)
    return 0


async def _of_store(
    args: argparse.Namespace, policy: RetentionPolicy | None, *, change: bool
) -> RetentionPolicy | None:
    async with existing_store(options.settings(args)) as store:
        if change:
            await store.retention.set(policy)
        return await store.retention.get()


async def _of_workspace(
    args: argparse.Namespace, policy: RetentionPolicy | None, *, change: bool
) -> Retention:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.name) as workspace,
    ):
        return await (workspace.retention.set(policy) if change else workspace.retention.get())


def _fields(policy: RetentionPolicy | None) -> dict[str, Any] | None:
    if policy is None:
        return None
    within = policy.keep_within
    return {
        "keep_last": policy.keep_last,
        "keep_within_seconds": None if within is None else int(within.total_seconds()),
    }


def _document(name: str, told: Retention) -> dict[str, Any]:
    return {
        "workspace": name,
        "policy": _fields(told.policy),
        "own": _fields(told.own),
        "store": _fields(told.store),
        "pins": told.pins,
        "floor": told.floor,
        "kept": told.kept,
        "pruned_at": told.pruned_at,
        "pruned_by": told.pruned_by,
    }


def _print(told: Retention) -> None:
    to = console()
    origin = "its own" if told.own else "the store's" if told.store else "no policy"
    to.print(f"policy: {told.policy} ({origin})")
    if told.pins:
        to.print(f"pinned: {', '.join(map(str, told.pins))}", soft_wrap=True)
    if told.pruned_at is not None:
        to.print(
            f"pruned: below version {told.floor} on {moment(told.pruned_at)} by {told.pruned_by}; "
            f"{told.kept:,} of those kept",
            soft_wrap=True,
        )
