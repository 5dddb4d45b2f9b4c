"""`safepoint hook`: what a client runs when a session starts, pauses, is compacted or ends."""

from __future__ import annotations

import argparse
import gc
import os
import sys

from safepoint_server.cli.options import add_store_options
from safepoint_server.hooks.clients import CLIENTS, EVENTS, nothing_to_say
from safepoint_server.hooks.deadline import Deadline
from safepoint_server.hooks.run import Hook, run_hook

EXAMPLES = """\
examples:
  safepoint hook session-start               what a session in this folder would be told
  safepoint hook stop --client claude-code   as Claude Code runs it, with its JSON on standard input

It always ends with 0 and never holds a client up: what is wrong stands on standard error, and
SAFEPOINT_HOOKS=off switches it off. docs/hooks.md says what is recorded.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("event", choices=EVENTS, help="what happens in the client")
    parser.add_argument(
        "--client", choices=CLIENTS, default=CLIENTS[0], help="who runs it (default: %(default)s)"
    )
    parser.add_argument(
        "--workspace",
        metavar="NAME",
        help="the workspace of the project (default: of .safepoint.json, else a derived name)",
    )
    add_store_options(parser)


def run(args: argparse.Namespace) -> int:
    if os.environ.get("SAFEPOINT_HOOKS", "").strip().lower() == "off":
        sys.stdout.write(nothing_to_say())
        return 0
    hook = Hook(
        args.event,
        args.client,
        args.workspace,
        args.store,
        args.key_file,
        Deadline.of(os.environ),
    )
    gc.disable()  # a short life, and a hundred thousand objects that stay to its end
    try:
        sys.stdout.write(run_hook(hook))
    finally:
        gc.enable()
    if hook.late:  # a thread is stuck, and Python would wait for those that it has started
        try:
            sys.stdout.flush()
        finally:
            os._exit(0)
    return 0
