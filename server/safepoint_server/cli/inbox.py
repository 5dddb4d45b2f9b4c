"""`safepoint inbox`: what people are asked, in all workspaces."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime

from safepoint import Approval
from safepoint_server.cli import options
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.paging import Rows, gather
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import ago, moment, who

EXAMPLES = """\
examples:
  safepoint inbox                         every question that is open
  safepoint inbox --json | jq -r '.approvals[] | .workspace + " " + .name + " " + .digest'
  safepoint approve my-task deploy        then answer: approve, deny or answer
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_limit_option(parser, 50)
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    found = asyncio.run(_find(args))
    if args.json:
        print_json({"approvals": found.items, "more": found.more})
        return 0
    to = console()
    if not found.items:
        to.print("Nobody is asked anything.")
        return 0
    now = datetime.now(UTC)
    columns = ("workspace", "approval", "question", "asked", "by", "answer", "expires")
    show(table(columns, [_row(one, now) for one in found.items], terminal=to.is_terminal))
    if found.more:
        to.print(f"… and more: --limit {args.limit * 2}", style="dim")
    return 0


async def _find(args: argparse.Namespace) -> Rows[Approval]:
    async with existing_store(options.settings(args)) as store:
        return await gather(
            lambda limit, cursor: store.inbox(limit=limit, cursor=cursor), args.limit
        )


def _row(approval: Approval, now: datetime) -> tuple[str, ...]:
    kind = "yes or no"
    if approval.options:
        kind = " | ".join(approval.options)
    elif isinstance(approval.answer_schema, dict):
        kind = "form"
    return (
        approval.workspace,
        approval.name,
        approval.question,
        ago(approval.asked_at, now),
        who(approval.asked_by),
        kind,
        moment(approval.expires_at),
    )
