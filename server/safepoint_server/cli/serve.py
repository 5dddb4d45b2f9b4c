"""`safepoint serve`: the MCP server for a client that starts it."""

from __future__ import annotations

import argparse
import gc
import os

from safepoint_server.cli.options import add_store_options

EXAMPLES = """\
examples:
  safepoint serve                                    the default store, for one MCP client
  safepoint serve --store ~/agents --key-file ~/keys/agents.key

`safepoint doctor` prints the configuration that makes a client start it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_store_options(parser)
    parser.add_argument(
        "--toolsets", metavar="NAMES", help="which tools to offer (default: $SAFEPOINT_TOOLSETS)"
    )
    parser.add_argument(
        "--allow-path",
        action="append",
        metavar="FOLDER",
        help="let tools read and write files below it; may be repeated (default: none)",
    )
    parser.add_argument("--log", metavar="LEVEL", help="debug, info, warning or error")
    parser.add_argument("--log-format", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace) -> int:
    # Starting makes a hundred thousand objects and no garbage, and they stay to the end.
    gc.disable()
    from safepoint_server.app import run_stdio
    from safepoint_server.settings import Settings

    gc.freeze()
    gc.enable()
    return run_stdio(
        Settings.load(
            os.environ,
            store=args.store,
            key_file=args.key_file,
            toolsets=args.toolsets,
            log=args.log,
            log_format=args.log_format,
            allowed_paths=[os.path.abspath(folder) for folder in args.allow_path or ()],
        )
    )
