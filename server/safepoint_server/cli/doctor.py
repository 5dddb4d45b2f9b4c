"""`safepoint doctor`: is all well here, and how does a client connect."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from safepoint_server.cli import options
from safepoint_server.cli.checks import Finding, examine
from safepoint_server.cli.clients import Snippet, snippets
from safepoint_server.cli.exits import Exit
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.place import folder_of
from safepoint_server.cli.plain import one_line, paragraph
from safepoint_server.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """\
examples:
  safepoint doctor                        the default store
  safepoint doctor --store ~/agents       another one; its address is in what is printed
  safepoint doctor --store s3://bucket    whether a bucket can be relied on, and where it is
  safepoint doctor --json                 for programs

It writes probe objects and deletes them; nothing is left behind. Whether all that is stored is
what was written is told by `safepoint verify`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    settings = options.settings(args)
    findings = asyncio.run(_examine(settings))
    failed = any(finding.status == "failed" for finding in findings)
    folder = folder_of(settings.store)
    clients = snippets(settings, settings.store if folder is None else str(folder))
    if args.json:
        print_json({"ok": not failed, "checks": findings, "clients": clients})
        return Exit.FAILED if failed else Exit.OK
    to = console()
    _print_findings(to, findings)
    _print_clients(to, clients)
    return Exit.FAILED if failed else Exit.OK


async def _examine(settings: Settings) -> list[Finding]:
    return [finding async for finding in examine(settings)]


def _print_findings(to: Console, findings: list[Finding]) -> None:
    shown = [
        ("FAILED" if finding.status == "failed" else finding.status, finding.name, finding.detail)
        for finding in findings
    ]
    show(table(("", "check", "found"), shown, terminal=to.is_terminal))
    for finding in findings:
        if finding.hint:
            to.print(f"{finding.name}: {paragraph(finding.hint)}", style="yellow", soft_wrap=True)


def _print_clients(to: Console, clients: list[Snippet]) -> None:
    for snippet in clients:
        to.print(f"\n{snippet.client}", style="bold", end="")
        to.print(f"  {one_line(snippet.where)}", style="dim", soft_wrap=True)
        to.print(paragraph(snippet.text), soft_wrap=True)
