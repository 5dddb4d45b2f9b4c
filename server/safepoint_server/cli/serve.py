"""`safepoint serve`: the MCP server, for a client that starts it or for many over HTTP."""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from safepoint_server.cli.options import add_store_options, port

if TYPE_CHECKING:
    from safepoint_server.settings import Settings

EXAMPLES = """\
examples:
  safepoint serve                                    the default store, for one MCP client
  safepoint serve --store ~/agents --key-file ~/keys/agents.key
  safepoint serve --transport http --port 8765       http://127.0.0.1:8765/mcp, for this machine
  safepoint serve --transport http --host 0.0.0.0 --auth tokens     for who has a token

`safepoint setup` makes clients start it.
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
    parser.add_argument(
        "--transport", metavar="NAME", help="stdio or http (default: $SAFEPOINT_TRANSPORT or stdio)"
    )
    parser.add_argument("--host", metavar="ADDRESS", help="where http listens (127.0.0.1)")
    parser.add_argument("--port", type=port, metavar="N", help="its port (8765); 0: any")
    parser.add_argument("--path", metavar="PATH", help="the path of its MCP endpoint (/mcp)")
    parser.add_argument(
        "--auth", metavar="KIND", help="what callers bring to http: none, tokens, oauth or both"
    )
    parser.add_argument("--log", metavar="LEVEL", help="debug, info, warning or error")
    parser.add_argument("--log-format", metavar="FORMAT", help="text or json")


def run(args: argparse.Namespace) -> int:
    # Starting makes a hundred thousand objects and no garbage, and they stay to the end.
    gc.disable()
    from safepoint_server.settings import Settings

    settings = Settings.load(
        os.environ,
        store=args.store,
        key_file=args.key_file,
        toolsets=args.toolsets,
        log=args.log,
        log_format=args.log_format,
        allowed_paths=[os.path.abspath(folder) for folder in args.allow_path or ()],
        transport=args.transport,
        host=args.host,
        port=args.port,
        path=args.path,
        auth=args.auth,
    )
    serve = _over_http() if settings.transport == "http" else _over_stdio()
    gc.freeze()
    gc.enable()
    return serve(settings)


def _over_stdio() -> Callable[[Settings], int]:
    from safepoint_server.app import run_stdio

    return run_stdio


def _over_http() -> Callable[[Settings], int]:
    from safepoint_server.http import run_http  # uvicorn is for those who serve over HTTP

    return run_http
