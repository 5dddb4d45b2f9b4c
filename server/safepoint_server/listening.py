"""Listens over HTTP: the socket, how long a client may take, and how the server stops."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from safepoint import InvalidInput, Unavailable
from safepoint_server.oauth_settings import is_loopback
from safepoint_server.settings import Settings

__all__ = ["Listener", "listen", "most_connections"]

FINISH_SECONDS: Final = 30
"""How long calls that run may go on when the server is told to stop."""
HEADER_SECONDS: Final = 10.0
"""How long a connection may stay without a whole request, and a request's headers may take."""
MOST_CONNECTIONS: Final = 2000
"""More are closed when they come, whoever they are."""
_SPARE_FILES: Final = 1000
"""What a process needs beside connections, to reach its stores."""
_AT_ONCE: Final = 256
"""How many connections may come before those that are too many are closed."""
_HEADER_BYTES: Final = 64 * 1024


def listen(settings: Settings) -> socket.socket:
    """A socket that listens; made first, so that nothing is opened when it cannot be.

    Raises:
        InvalidInput: this would let in others than the users of this machine, unauthenticated.
        Unavailable: the address cannot be listened on.
    """
    host, port = settings.http.host, settings.http.port
    if settings.http.auth == "none" and not is_loopback(host):
        raise InvalidInput(
            f"the server does not listen on {host} without authentication: everybody who "
            "reaches it could read and change every workspace",
            hint="Make a token (`safepoint tokens create NAME`) and serve with --auth tokens, or "
            "listen on 127.0.0.1.",
            code="unauthenticated",
        )
    try:
        return _bound(host, port)
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {host} port {port}: {error.strerror or error}",
            hint="Choose another --port (0: any that is free) or --host.",
            code="cannot_listen",
        ) from None


def most_connections() -> int:
    """As many as this process may have files open for, after raising that as far as is needed:
    many systems begin with 1,024, and a server without a file to spare cannot save."""
    if sys.platform == "win32":
        return MOST_CONNECTIONS
    import resource

    wanted = MOST_CONNECTIONS + _SPARE_FILES
    may, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if may == resource.RLIM_INFINITY or may >= wanted:
        return MOST_CONNECTIONS
    raised = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, most))
    return max(raised // 2, raised - _SPARE_FILES)


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_AT_ONCE)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


class Listener(uvicorn.Server):
    """Serves `app` until the first signal, then finishes what runs; at the second it is gone at
    once, which loses nothing that was acknowledged. `stopping` ends what never would by itself."""

    def __init__(
        self, app: ASGIApp, settings: Settings, stopping: Callable[[], None] = lambda: None
    ) -> None:
        http = settings.http
        config = uvicorn.Config(
            app,
            http=_Patient,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=_HEADER_BYTES,
            backlog=_AT_ONCE,
            limit_concurrency=most_connections() + 1,
            timeout_graceful_shutdown=FINISH_SECONDS,
            proxy_headers=bool(http.trusted_proxies),
            forwarded_allow_ips=list(http.trusted_proxies),
            ssl_certfile=http.tls_cert,
            ssl_keyfile=http.tls_key,
        )
        try:
            config.load()
        except OSError as error:
            raise Unavailable(
                f"the certificate cannot be used: {error.strerror or error}",
                hint="Check SAFEPOINT_TLS_CERT and SAFEPOINT_TLS_KEY: both are PEM files, and "
                "belong together.",
                code="bad_certificate",
            ) from None
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Streams that clients listen to would hold up a stop."""
        self._stopping()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Without raising them again at the end, which would end the process before the store is
        closed."""

        def stop(number: int, _: object) -> None:
            if self.should_exit:
                os._exit(128 + number)
            self.should_exit = True

        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, stop) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Patient(H11Protocol):
    """Closes connections that do not bring a whole head of a request in time, and those that are
    too many."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) >= (self.limit_concurrency or 0):
            transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._wait_no_more()

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_no_more()

    def on_response_complete(self) -> None:
        self._wait()
        super().on_response_complete()

    def _wait(self) -> None:
        self._wait_no_more()
        self._waiting = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
