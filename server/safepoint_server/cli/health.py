"""`safepoint health`: does the server of this machine answer, and could it take a save?"""

from __future__ import annotations

import argparse
import json
import os
from typing import Final

from safepoint import Unavailable
from safepoint_server.cli.options import add_json_option, port
from safepoint_server.cli.output import console, print_json

EXAMPLES = """\
examples:
  safepoint health                       where SAFEPOINT_HOST and SAFEPOINT_PORT say
  safepoint health --port 8765           a server on another port

It asks `/readyz`: exit code 0 when the store can take a save. Where SAFEPOINT_TRANSPORT is stdio,
as in the container image unless it is told otherwise, nobody can be asked, and all is well.
"""

_SECONDS: Final = 15
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not listened on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", metavar="ADDRESS", help="where it listens (127.0.0.1)")
    parser.add_argument("--port", type=port, metavar="N", help="its port (8765)")
    add_json_option(parser)


def run(args: argparse.Namespace) -> int:
    from safepoint_server.settings import Settings

    settings = Settings.load(os.environ, host=args.host, port=args.port)
    if os.environ.get("SAFEPOINT_TRANSPORT") == "stdio" and not (args.host or args.port):
        told = "stdio"
    else:
        host = _EVERYWHERE.get(settings.http.host, settings.http.host)
        _ask(host, settings.http.port, tls=settings.http.tls_cert is not None)
        told = "ready"
    if args.json:
        print_json({"status": told})
    else:
        console().print({"stdio": "serves its client alone, on standard input"}.get(told, told))
    return 0


def _ask(host: str, number: int, *, tls: bool = False) -> None:
    """Raises Unavailable unless the server there says that it is ready."""
    from http.client import HTTPConnection, HTTPException, HTTPSConnection

    connection = HTTPConnection(host, number, timeout=_SECONDS)
    if tls:  # its certificate has the name that clients use, not the one that this machine does
        import ssl

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(host, number, timeout=_SECONDS, context=context)
    try:
        connection.request("GET", "/readyz")
        reply = connection.getresponse()
        status, body = reply.status, reply.read(1 << 16)
    except (OSError, HTTPException) as error:
        raise Unavailable(
            f"no server answers on {host} port {number}: {error or type(error).__name__}",
            hint="Start `safepoint serve --transport http`, or say where it listens.",
            code="no_server",
        ) from None
    finally:
        connection.close()
    if status != 200:
        raise Unavailable(
            f"the server on {host} port {number} is not ready: {_reason(body) or status}",
            hint="`safepoint doctor` with the server's settings says what is wrong with the store.",
            code="not_ready",
        )


def _reason(body: bytes) -> str | None:
    """The code that a server which is not ready gives."""
    try:
        reason = json.loads(body).get("reason")
    except (ValueError, AttributeError):
        return None
    return reason if isinstance(reason, str) else None
