"""What `approve`, `deny` and `answer` share: show the question whole, ask, record who decided."""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from textwrap import indent
from typing import Any

from safepoint import JSON, UNSET, Approval, Decided, Unset, Verdict
from safepoint_server.cli import options
from safepoint_server.cli.confirm import confirm
from safepoint_server.cli.lookup import found_workspace
from safepoint_server.cli.output import console, print_json
from safepoint_server.cli.place import existing_store
from safepoint_server.cli.plain import ago, json_text, moment, one_line, paragraph, who

__all__ = ["add_arguments", "decide"]

CHANNEL = "cli"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workspace", help="the workspace")
    parser.add_argument("name", help="the approval")
    parser.add_argument("--comment", metavar="TEXT", help="for whoever asked")
    parser.add_argument(
        "--digest",
        metavar="HEX",
        help="the digest that `safepoint inbox --json` shows: decide without being asked, and only "
        "if that is still the question",
    )
    options.add_store_options(parser)
    options.add_json_option(parser)


def decide(
    args: argparse.Namespace,
    verdict: Verdict,
    answer_to: Callable[[Approval], JSON | Unset] = lambda approval: UNSET,
) -> int:
    """Record it, once the person has seen what it is about and said yes; the exit code."""
    decided = asyncio.run(_decide(args, verdict, answer_to))
    if decided is None:
        console().print("Nothing was decided.")
    elif args.json:
        print_json(decided)
    else:
        approval = decided.approval
        again = " already" if decided.repeated else ""
        console().print(
            f"{one_line(approval.workspace)}: {one_line(approval.name)} is{again} "
            f"{approval.status.value} (version {decided.version}).",
            style="green",
            soft_wrap=True,
        )
    return 0


async def _decide(
    args: argparse.Namespace, verdict: Verdict, answer_to: Callable[[Approval], JSON | Unset]
) -> Decided | None:
    async with (
        existing_store(options.settings(args)) as store,
        found_workspace(store, args.workspace) as workspace,
    ):
        approval = await workspace.approvals.get(args.name)
        answer = answer_to(approval)
        open_ = approval.status == "pending"  # of others the store says what is the matter
        if args.digest is None and open_:
            await workspace.approvals.check(args.name, verdict, answer)
            if not _confirmed(approval, verdict, answer):
                return None
        return await workspace.approvals.decide(
            args.name,
            verdict,
            by=options.person(),
            channel=CHANNEL,
            comment=args.comment,
            answer=answer,
            digest=args.digest or approval.digest,
        )


def _confirmed(approval: Approval, verdict: Verdict, answer: JSON | Unset) -> bool:
    command = {"approve": "approve", "deny": "deny", "answer": "answer"}[verdict]
    told = "" if isinstance(answer, Unset) else f" with {one_line(json.dumps(answer))}"
    where = f"{shlex.quote(approval.workspace)} {shlex.quote(approval.name)}"
    if sys.stdin.isatty() and sys.stderr.isatty():
        sys.stderr.write("\n".join(_lines(approval)) + "\n\n")
    return confirm(
        f"{command.capitalize()} it{told}?",
        otherwise=f"Look at it with `safepoint inbox --json`, then give its digest: `safepoint "
        f"{command} {where} --digest …`.",
    )


def _lines(approval: Approval) -> list[str]:
    now = datetime.now(UTC)
    facts: list[tuple[str, Any]] = [
        ("approval", f"{one_line(approval.name)} of {one_line(approval.workspace)}"),
        ("question", paragraph(approval.question)),
        ("details", paragraph(approval.details) if approval.details else None),
        ("options", ", ".join(map(one_line, approval.options))),
        ("form", approval.answer_schema and json_text(json.dumps(approval.answer_schema))),
        ("asked by", f"{who(approval.asked_by)}, {ago(approval.asked_at, now)}"),
        ("expires", moment(approval.expires_at)),
        ("use", "once" if approval.single_use else None),
        ("digest", approval.digest),
    ]
    # What an agent wrote goes on indented, so that it cannot pass for another line.
    lines = [f"{title:<9} {indent(text, ' ' * 10).lstrip()}" for title, text in facts if text]
    if approval.subject_sha256 is not None:
        shown = json.dumps(approval.subject, ensure_ascii=False, indent=2)
        lines += [
            f"subject   SHA-256 {approval.subject_sha256}",
            indent(json_text(shown), " " * 10),
        ]
    return lines
