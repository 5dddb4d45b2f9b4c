"""`safepoint setup`: the MCP clients of this machine start Safepoint, with hooks that save."""

from __future__ import annotations

import argparse
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from safepoint_server.cli import options
from safepoint_server.cli.exits import Exit
from safepoint_server.cli.output import console, print_error, print_json, show, table
from safepoint_server.cli.parser import UsageError
from safepoint_server.cli.place import folder_of
from safepoint_server.cli.plain import one_line, paragraph
from safepoint_server.names import check_workspace_name
from safepoint_server.setup.clients import CLIENTS, Client, Machine, client_of
from safepoint_server.setup.edits import Outcome, binding_edit, client_edits, run_edit
from safepoint_server.setup.entry import Local, Remote, is_passing, launch_command

if TYPE_CHECKING:
    from rich.console import Console

    from safepoint_server.settings import Settings

__all__ = ["local_server"]

EXAMPLES = """\
examples:
  safepoint setup --dry-run               which clients are here, and what would be changed
  safepoint setup                         register it with all of them, and install hooks
  safepoint setup --client claude-code --store s3://bucket/agents
  safepoint setup --scope project --workspace release-notes    in the files of this folder
  safepoint setup --http https://agents.example.com/mcp        a team's server
  safepoint setup --remove                take out what was put in

A file that is changed is kept beside it as NAME.safepoint-1.bak; all else in it stays as it was. No
secret is written: a passphrase or token comes from the client's environment, or the client asks.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--client",
        action="append",
        choices=[client.name for client in CLIENTS],
        metavar="NAME",
        help=f"may be repeated (default: all that are here): {', '.join(_names())}",
    )
    parser.add_argument(
        "--scope",
        choices=("user", "project"),
        default="user",
        help="in the files of the user (default), or of the project in this folder",
    )
    parser.add_argument(
        "--workspace",
        metavar="NAME",
        help="with --scope project: the workspace of this folder, written to .safepoint.json",
    )
    parser.add_argument("--http", metavar="URL", help="a server that runs already, instead")
    parser.add_argument(
        "--token-variable",
        metavar="NAME",
        help="the variable with its bearer token (default: SAFEPOINT_TOKEN; on this machine: none)",
    )
    parser.add_argument("--no-hooks", action="store_true", help="no hooks, and take ours out")
    parser.add_argument("--dry-run", action="store_true", help="show every change, and make none")
    parser.add_argument("--remove", action="store_true", help="take out what setup put in")
    options.add_store_options(parser)
    options.add_json_option(parser)


def _names() -> list[str]:
    return [client.name for client in CLIENTS]


def run(args: argparse.Namespace) -> int:
    _check(args)
    machine = Machine.here()
    project = Path.cwd() if args.scope == "project" else None
    server = None if args.remove else _server(args)
    clients, left_out = _chosen(args, machine, server)
    edits = [
        edit
        for client in clients
        for edit in client_edits(
            client, server, machine=machine, project=project, hooks=not args.no_hooks
        )
    ]
    if args.workspace is not None and project is not None:
        edits.append(binding_edit(project, args.workspace, remove=args.remove))
    if not edits and not args.remove:
        return _nothing_to_do(args, left_out)
    outcomes: list[Outcome] = []
    for edit in edits:
        failed = any(one.status == "failed" and one.client == edit.client for one in outcomes)
        if args.remove or not failed:  # no hooks without a server
            outcomes.append(run_edit(edit, dry_run=args.dry_run))
    notes = [*left_out, *_notes(clients, server, outcomes, project)]
    _print(args, outcomes, notes)
    return Exit.FAILED if any(one.status == "failed" for one in outcomes) else Exit.OK


def _check(args: argparse.Namespace) -> None:
    more = "`safepoint setup --help` says more."
    if args.workspace is not None:
        if args.scope != "project":
            raise UsageError("--workspace is for a project: add --scope project", more)
        check_workspace_name(args.workspace)
    if args.token_variable is not None and args.http is None:
        raise UsageError("--token-variable is for a server reached with --http", more)
    if args.http is not None and (args.store is not None or args.key_file is not None):
        raise UsageError("a server reached with --http has its own --store and --key-file", more)


def local_server(settings: Settings) -> Local:
    """This installation, on the store that is named here, for clients to start."""
    folder = folder_of(settings.store)
    return Local(
        launch_command(),
        settings.store if folder is None else str(folder),
        key_file=None if settings.key_file is None else settings.key_file.absolute(),
        kms_key=settings.kms_key,
        passphrase=settings.passphrase is not None,
    )


def _server(args: argparse.Namespace) -> Local | Remote:
    if args.http is None:
        return local_server(options.settings(args))
    hint = "It is an address such as https://agents.example.com/mcp."
    parts = urlsplit(args.http)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise UsageError(f"{args.http!r} is not the address of a server over HTTP", hint)
    if parts.username is not None or parts.query:
        raise UsageError(
            "the address holds more than a host and a path", f"{hint} No secret in it."
        )
    here = _is_this_machine(parts.hostname)
    if parts.scheme == "http" and not here:
        raise UsageError("the token would be sent without encryption", "Use an https:// address.")
    token = args.token_variable or (None if here else "SAFEPOINT_TOKEN")
    if token is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", token):
        raise UsageError(
            f"{token!r} is not the name of a variable", "Give its name; the token stays in it."
        )
    return Remote(args.http, token)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _chosen(
    args: argparse.Namespace, machine: Machine, server: Local | Remote | None
) -> tuple[list[Client], list[str]]:
    """The clients to set up, and of those that are here but cannot be, why not."""
    if args.client is not None:
        named = [client_of(name) for name in dict.fromkeys(args.client)]
        for client in named:
            if args.scope == "project" and client.project is None:
                raise UsageError(
                    f"{client.title} has no files of its own in a project", "Use --scope user."
                )
        return named, []
    chosen, left_out = [], []
    for client in CLIENTS:
        if not client.is_here(machine):
            continue
        if args.scope == "project" and client.project is None:
            left_out.append(f"{client.title} is left out: it has no files in a project.")
        elif isinstance(server, Remote) and client.address is None:
            left_out.append(f"{client.title} is left out: it takes no token from the environment.")
        else:
            chosen.append(client)
    return chosen, left_out


def _nothing_to_do(args: argparse.Namespace, left_out: list[str]) -> int:
    if args.json:
        print_json({"ok": False, "dry_run": args.dry_run, "files": [], "notes": left_out})
    else:
        _print_notes(left_out)
    print_error(
        "no MCP client was found on this machine",
        f"Name one with --client: {', '.join(_names())}. Any other takes what `safepoint doctor` "
        "prints.",
    )
    return Exit.NOT_FOUND


def _notes(
    clients: list[Client],
    server: Local | Remote | None,
    outcomes: list[Outcome],
    project: Path | None,
) -> Iterator[str]:
    """What the person has to do or know, once the files are as they are to be."""
    done = {one.client for one in outcomes if one.status in ("made", "changed")}
    changed = [client for client in clients if client.name in done]
    if server is None:
        return
    for client in changed:
        yield f"{client.title}: {client.afterwards}"
        secret = server.secret
        if secret is None:
            continue
        if client.asks:
            yield f"{client.title} asks for it once, and keeps it in its own secret storage."
        elif client.toml or client.variable is not None:
            yield f"{client.title} has to be started where {secret} is set: it is not in the file."
        else:
            yield (
                f"{client.title} passes no variable on. Start it where {secret} is set, or add a "
                "key file (`safepoint keys add --new-key-file PATH`) and run setup with --key-file."
            )
    if changed and isinstance(server, Local) and is_passing(server.command[0]):
        yield (
            f"This installation lies in a cache, {server.command[0]}, and may vanish from there. "
            "Install it (`pipx install`, `uv tool install`) and run setup again."
        )
    if changed and project is not None and isinstance(server, Local):
        yield "The files name paths of this machine: keep them out of what others check out."


def _print(args: argparse.Namespace, outcomes: list[Outcome], notes: list[str]) -> None:
    if args.json:
        ok = not any(one.status == "failed" for one in outcomes)
        print_json({"ok": ok, "dry_run": args.dry_run, "files": outcomes, "notes": notes})
        return
    to = console()
    if args.dry_run:
        for one in outcomes:
            _print_diff(to, one.diff)
    rows = [
        (one.client, one.what, _status(one, dry_run=args.dry_run), str(one.path), _kept(one))
        for one in outcomes
    ]
    if rows:
        show(table(("client", "", "", "file", "backup"), rows, terminal=to.is_terminal))
    for one in outcomes:
        if one.status == "failed":
            print_error(f"{one.client or one.what}: {one.path}: {one.message}", one.hint)
    if not rows:
        to.print("Nothing of Safepoint was found.")
    elif all(one.status == "unchanged" for one in outcomes):
        to.print("Nothing to do." if args.remove else "Already set up.", style="green")
    _print_notes(notes)


def _print_notes(notes: list[str]) -> None:
    for note in notes:
        console().print(paragraph(note), soft_wrap=True)


def _status(outcome: Outcome, *, dry_run: bool) -> str:
    would_be = dry_run and outcome.status in ("made", "changed", "removed")
    return f"would be {outcome.status}" if would_be else outcome.status


def _kept(outcome: Outcome) -> str:
    return "" if outcome.backup is None else outcome.backup.name


def _print_diff(to: Console, diff: str) -> None:
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in diff.splitlines():
        shown = one_line(line.expandtabs(4))
        to.print(shown, style=styles.get(line[:1], ""), soft_wrap=True)
    if diff:
        to.print()
