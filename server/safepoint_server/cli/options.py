"""The options that commands share, and the store they name."""

from __future__ import annotations

import argparse
import getpass
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from safepoint.model import Actor
    from safepoint_server.settings import Settings

__all__ = [
    "MAX_ROWS",
    "actor",
    "add_json_option",
    "add_limit_option",
    "add_store_options",
    "add_target_options",
    "person",
    "port",
    "settings",
    "user_path",
    "version_or_label",
]

MAX_ROWS = 100_000


def add_store_options(parser: argparse.ArgumentParser) -> None:
    """`--store` and `--key-file`; they win over the environment."""
    parser.add_argument(
        "--store",
        metavar="URL",
        help="folder or URL of the store (default: $SAFEPOINT_STORE, else your data folder)",
    )
    parser.add_argument(
        "--key-file",
        metavar="PATH",
        type=user_path,
        help="key file (default: $SAFEPOINT_KEY_FILE, else one in your configuration folder)",
    )


def add_json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def add_limit_option(parser: argparse.ArgumentParser, default: int) -> None:
    parser.add_argument(
        "--limit",
        type=_rows,
        default=default,
        metavar="N",
        help=f"at most this many lines, 1 to {MAX_ROWS} (default: {default})",
    )


def add_target_options(
    parser: argparse.ArgumentParser, what: str, *, required: bool = False
) -> None:
    """`--version` or `--label`: one earlier place in the history of a workspace."""
    which = parser.add_mutually_exclusive_group(required=required)
    which.add_argument("--version", type=int, metavar="N", help=f"{what} this version")
    which.add_argument("--label", metavar="L", help=f"{what} the checkpoint of this label")


def port(text: str) -> int:
    """A port as a person types it."""
    if not (text.isascii() and text.isdecimal() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def version_or_label(text: str | None) -> int | str | None:
    """A version when it is a number."""
    return int(text) if text is not None and text.isdecimal() else text


def user_path(text: str) -> Path:
    """A path as a person types it, with `~`."""
    return Path(text).expanduser()


def _rows(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_ROWS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_ROWS}")
    return number


def settings(args: argparse.Namespace) -> Settings:
    """Settings of the environment and these options."""
    from safepoint_server.settings import Settings

    return Settings.load(os.environ, store=args.store, key_file=args.key_file)


def person() -> Actor:
    """Who sits at the command line, as decisions name them."""
    from safepoint._version import __version__  # late, as all of the library: see `cli.main`

    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    return replace(actor(), name=user, version=f"safepoint {__version__}")


def actor() -> Actor:
    """Who the command line is, as commits name it."""
    from safepoint._version import __version__
    from safepoint.model import Actor

    return Actor(
        name="safepoint-cli",
        version=__version__,
        host=socket.gethostname(),
        process=str(os.getpid()),
        transport="cli",
    )
