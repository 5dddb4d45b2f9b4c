"""`safepoint doctor`: is all well here, and do the clients start it."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from safepoint_server.cli import options
from safepoint_server.cli.checks import Finding, examine
from safepoint_server.cli.client_checks import examine_clients
from safepoint_server.cli.exits import Exit
from safepoint_server.cli.output import console, print_json, show, table
from safepoint_server.cli.plain import paragraph
from safepoint_server.cli.setup import local_server
from safepoint_server.settings import Settings
from safepoint_server.setup.clients import CLIENTS, Machine, client_of
from safepoint_server.setup.edits import snippet

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """\
examples:
  safepoint doctor                        the default store
  safepoint doctor --store ~/agents       another one; its address is in what is printed
  safepoint doctor --store s3://bucket    whether a bucket can be relied on, and where it is
  safepoint doctor --json                 for programs

It writes probe objects and deletes them; nothing is left behind. Of each MCP client here it tells
whether Safepoint is registered, starts what is, and runs its hook for a session that begins.
Whether all that is stored is what was written is told by `safepoint verify`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_store_options(parser)
    options.add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    settings = options.settings(args)
    findings = asyncio.run(_examine(settings))
    failed = any(finding.status == "failed" for finding in findings)
    server = local_server(settings)
    if args.json:
        machine = Machine.here()
        clients = [
            {
                "client": client.name,
                "file": client.user(machine),
                "language": "toml" if client.toml else "json",
                "text": snippet(client, server),
            }
            for client in CLIENTS
        ]
        print_json({"ok": not failed, "checks": findings, "clients": clients})
        return Exit.FAILED if failed else Exit.OK
    to = console()
    _print_findings(to, findings)
    to.print(
        "\n`safepoint setup` tells the clients that it knows. Others take this, or the like:",
        soft_wrap=True,
    )
    to.print(paragraph(snippet(client_of("claude-desktop"), server)), soft_wrap=True, end="")
    return Exit.FAILED if failed else Exit.OK


async def _examine(settings: Settings) -> list[Finding]:
    findings = [finding async for finding in examine(settings)]
    async for finding in examine_clients(Machine.here(), Path.cwd(), local_server(settings)):
        findings.append(finding)
    return findings


def _print_findings(to: Console, findings: list[Finding]) -> None:
    shown = [
        ("FAILED" if finding.status == "failed" else finding.status, finding.name, finding.detail)
        for finding in findings
    ]
    show(table(("", "check", "found"), shown, terminal=to.is_terminal))
    for finding in findings:
        if finding.hint:
            to.print(f"{finding.name}: {paragraph(finding.hint)}", style="yellow", soft_wrap=True)
