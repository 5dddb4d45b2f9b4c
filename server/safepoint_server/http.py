"""Serves MCP over Streamable HTTP, without sessions: any replica answers any call."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from safepoint import InvalidInput, Store, Unavailable
from safepoint_server.access import OneStore
from safepoint_server.app import create_server, process_actor, run_until_done
from safepoint_server.health import Readiness
from safepoint_server.protocol import ProtocolServer
from safepoint_server.settings import Settings
from safepoint_server.telemetry.both import Both
from safepoint_server.telemetry.metrics import CONTENT_TYPE, Metrics
from safepoint_server.telemetry.spans import Spans

__all__ = ["http_app", "run_http", "serve_http"]

logger = logging.getLogger(__name__)

_LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
_FINISH_SECONDS: Final = 30
"""How long calls that run may go on when the server is told to stop."""


def http_app(
    server: MCPServer[Any], settings: Settings, readiness: Readiness, metrics: Metrics
) -> Starlette:
    """The ASGI application: MCP at `settings.http.path`, `/healthz`, `/readyz` and `/metrics`."""

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        problem = await readiness.problem()
        if problem is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "unavailable", "reason": problem}, status_code=503)

    async def scrape(request: Request) -> Response:
        return Response(await metrics.text(), media_type=CONTENT_TYPE)

    app = server.streamable_http_app(
        streamable_http_path=settings.http.path,
        stateless_http=True,
        max_request_body_size=settings.max_request_bytes,
        transport_security=_transport_security(settings),
    )
    app.router.routes.insert(0, Route(settings.http.path, _no_stream, methods=["GET"]))
    app.router.routes += [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", scrape),
    ]
    return app


async def _no_stream(request: Request) -> Response:
    """Earlier revisions let clients open a stream for what answers no request of theirs. Without a
    session nothing comes through it, and held open it would keep the server from stopping."""
    return Response(status_code=405, headers={"Allow": "POST"})


def _transport_security(settings: Settings) -> TransportSecuritySettings:
    """The checks of Host and Origin are never off: pages in a browser cannot reach the server by a
    name of their own."""
    hosts = [name for host in _LOOPBACK_HOSTS for name in (host, f"{host}:*")]
    origins = [f"http://{name}" for name in hosts]
    if settings.http.public_url:
        public = urlsplit(settings.http.public_url)
        hosts.append(public.netloc)
        origins.append(f"{public.scheme}://{public.netloc}")
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*hosts, *settings.http.allowed_hosts],
        allowed_origins=[*origins, *settings.http.allowed_origins],
    )


async def serve_http(settings: Settings) -> None:
    """Open the store, listen and serve until SIGTERM or SIGINT; then finish the calls that run, and
    flush what follows commits.

    Raises:
        SafepointError: the store cannot be opened, or nothing can listen there; nothing was served.
    """
    listening = _listen(settings)
    metrics, spans = Metrics(), Spans.if_wanted()
    observer = metrics if spans is None else Both(metrics, spans)
    with contextlib.closing(listening):
        async with settings.open_store(process_actor("http"), observer=observer) as store:
            server = create_server(
                OneStore(store), store, settings, transport="http", observer=observer
            )
            with metrics.watching(store):
                await _serve(server, store, settings, metrics, listening)


async def _serve(
    server: ProtocolServer,
    store: Store,
    settings: Settings,
    metrics: Metrics,
    listening: socket.socket,
) -> None:
    readiness = Readiness(store.objects)
    config = uvicorn.Config(
        http_app(server, settings, readiness, metrics),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_FINISH_SECONDS,
    )
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}{settings.http.path}"
    told = {"store": store.url, "transport": "http", "address": address}
    logger.info("serving", extra={"safepoint": told})
    try:
        await _Uvicorn(config, server.close_streams).serve(sockets=[listening])
    finally:
        await readiness.close()


class _Uvicorn(uvicorn.Server):
    """Stops on signals without raising them again at the end, which would end the process before
    the store is closed; and ends what would never end by itself."""

    def __init__(self, config: uvicorn.Config, stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        def stop(*_: object) -> None:
            self.should_exit = True

        signals = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, stop) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listen(settings: Settings) -> socket.socket:
    """A socket that listens; made first, so that nothing is opened when it cannot be.

    Raises:
        InvalidInput: this would let in others than the users of this machine, unauthenticated.
        Unavailable: the address cannot be listened on.
    """
    host, port = settings.http.host, settings.http.port
    if not _is_loopback(host):
        raise InvalidInput(
            f"the server does not listen on {host} without authentication: everybody who "
            "reaches it could read and change every workspace",
            hint="Listen on 127.0.0.1.",
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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(2048)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def run_http(settings: Settings) -> int:
    """Serve as `serve_http` does, with logging set up; the exit code, which is 0.

    Raises:
        SafepointError: see `serve_http`.
    """
    return run_until_done(settings, lambda: asyncio.run(serve_http(settings)))
