"""Serves MCP over Streamable HTTP, without sessions: any replica answers any call."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from mcp.server import MCPServer
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.auth.settings import AuthSettings
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from safepoint import Observer, Store
from safepoint.address import tenant_address
from safepoint_server.access import Door, OneStore
from safepoint_server.app import create_server, process_actor, run_until_done
from safepoint_server.auth.callers import Verifier
from safepoint_server.auth.gate import Gate, HttpDoor, request_principal
from safepoint_server.auth.jwks import IssuerKeys
from safepoint_server.auth.oauth import OAuthTokens
from safepoint_server.auth.stores import OpenTenant, Stores
from safepoint_server.auth.tokens import StoredTokens
from safepoint_server.health import Readiness
from safepoint_server.intake import Intake
from safepoint_server.listening import Listener, listen
from safepoint_server.scopes import Scope
from safepoint_server.settings import Settings
from safepoint_server.telemetry.both import Both
from safepoint_server.telemetry.metrics import CONTENT_TYPE, Metrics
from safepoint_server.telemetry.spans import Spans

__all__ = ["http_app", "run_http", "serve_http"]

logger = logging.getLogger(__name__)

_LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
_HEALTH: Final = frozenset(("/healthz", "/readyz"))
"""For whoever watches the process, by whatever name and without a token: they tell nothing."""
_NEEDS: Final = {"/metrics": Scope.ADMIN}
_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"


def http_app(
    server: MCPServer[Any],
    settings: Settings,
    readiness: Readiness,
    metrics: Metrics,
    verifiers: tuple[Verifier, ...] = (),
    stores: Stores | None = None,
) -> ASGIApp:
    """The ASGI application: MCP at `settings.http.path`, `/healthz`, `/readyz` and
    `/metrics`.

    From outside to inside: Host and Origin, CORS, the gate, the body's limits, the routes.
    """

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        problem = await readiness.problem()
        if problem is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "unavailable", "reason": problem}, status_code=503)

    async def scrape(request: Request) -> Response:
        return Response(await metrics.text(), media_type=CONTENT_TYPE)

    http = settings.http
    security = _transport_security(settings)
    routes = server.streamable_http_app(
        streamable_http_path=http.path,
        stateless_http=True,
        max_request_body_size=settings.max_request_bytes,
        transport_security=security,
    )
    metadata = _metadata_routes(settings)
    routes.router.routes += [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", scrape),
        *metadata,
    ]
    app: ASGIApp = Intake(routes, http.path, settings.max_request_bytes)
    if stores is not None:
        app = Gate(
            app,
            verifiers=verifiers,
            stores=stores,
            open_paths=_HEALTH | {route.path for route in metadata},
            needs=_NEEDS,
            asks=_asks(settings),
        )
    if http.allowed_origins:
        app = CORSMiddleware(
            app,
            allow_origins=http.allowed_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("*",),
            expose_headers=("WWW-Authenticate",),
        )
    return _OnlyOurNames(app, security)


class _OnlyOurNames:
    """Middleware. Pages in a browser do not reach the server by a name of their own."""

    def __init__(self, app: ASGIApp, security: TransportSecuritySettings) -> None:
        self._app = app
        self._security = TransportSecurityMiddleware(security)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        app: ASGIApp | None = None
        if scope["type"] == "http" and scope["path"] not in _HEALTH:
            app = await self._security.validate_request(Request(scope))
        await (app or self._app)(scope, receive, send)


def _transport_security(settings: Settings) -> TransportSecuritySettings:
    """The checks of Host and Origin are never off."""
    hosts = [name for host in _LOOPBACK_HOSTS for name in (host, f"{host}:*")]
    origins = [f"{scheme}://{name}" for scheme in ("http", "https") for name in hosts]
    if settings.http.public_url:
        public = urlsplit(settings.http.public_url)
        hosts.append(public.netloc)
        origins.append(f"{public.scheme}://{public.netloc}")
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*hosts, *settings.http.allowed_hosts],
        allowed_origins=[*origins, *settings.http.allowed_origins],
    )


def _metadata_routes(settings: Settings) -> list[Route]:
    """Where OAuth clients learn whose tokens are taken here (RFC 9728): at the path that belongs
    to the public URL, and at the root, where some look first."""
    oauth, urls = settings.http.oauth, _urls(settings)
    if oauth is None or urls is None or urls.resource_server_url is None:
        return []
    (route,) = create_protected_resource_routes(
        urls.resource_server_url,
        [urls.issuer_url],
        list(oauth.scopes.values()),
        resource_name="Safepoint",
    )
    return [route, Route(_WELL_KNOWN, endpoint=route.endpoint, methods=["GET", "OPTIONS"])]


def _asks(settings: Settings) -> dict[str, str]:
    """What an OAuth client needs to get a token for its user (RFC 9728, RFC 6750)."""
    oauth, urls = settings.http.oauth, _urls(settings)
    if oauth is None or urls is None or urls.resource_server_url is None:
        return {}
    scopes = [name for scope, name in oauth.scopes.items() if scope is not Scope.ADMIN]
    url = str(build_resource_metadata_url(urls.resource_server_url))
    return {"resource_metadata": url, "scope": " ".join(scopes)}


def _urls(settings: Settings) -> AuthSettings | None:
    """The URLs of issuer and server, spelled as they were given: clients compare them so."""
    oauth = settings.http.oauth
    if oauth is None:
        return None
    given = {"issuer_url": oauth.issuer, "resource_server_url": settings.http.public_url}
    return AuthSettings.model_validate({**given, "validate_token_resource": False})


async def serve_http(settings: Settings) -> None:
    """Open the store, listen and serve until SIGTERM or SIGINT; then finish the calls that run, and
    flush what follows commits.

    Raises:
        SafepointError: the store cannot be opened, or nothing can listen there; nothing was served.
    """
    listening = listen(settings)
    metrics, spans = Metrics(), Spans.if_wanted()
    observer = metrics if spans is None else Both(metrics, spans)
    with contextlib.closing(listening):
        async with settings.open_store(process_actor("http"), observer=observer) as store:
            with metrics.watching(store):
                await _serve(store, settings, metrics, observer, listening)


async def _serve(
    store: Store,
    settings: Settings,
    metrics: Metrics,
    observer: Observer,
    listening: socket.socket,
) -> None:
    readiness = Readiness(store.objects)
    verifiers = _verifiers(store, settings)
    stores = Stores(store, _opening(settings, metrics, observer), most=settings.http.max_tenants)
    door: Door = HttpDoor(verifiers) if verifiers else OneStore(store)
    server = create_server(
        door, store, settings, transport="http", principal=request_principal, observer=observer
    )
    gated = stores if verifiers else None
    app = http_app(server, settings, readiness, metrics, verifiers, gated)
    listener = Listener(app, settings, server.close_streams)
    host, port = listening.getsockname()[:2]
    scheme = "https" if settings.http.tls_cert else "http"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{settings.http.path}"
    told = {"store": store.url, "transport": "http", "address": address}
    logger.info("serving", extra={"safepoint": {**told, "auth": settings.http.auth}})
    try:
        await listener.serve(sockets=[listening])
    finally:
        await stores.close()
        await readiness.close()


def _verifiers(store: Store, settings: Settings) -> tuple[Verifier, ...]:
    """What callers may bring; nothing where everybody may come in."""
    found: list[Verifier] = []
    if settings.http.auth in ("tokens", "both"):
        found.append(StoredTokens(store.tokens, store.now))
    if settings.http.oauth is not None:
        found.append(OAuthTokens(settings.http.oauth, IssuerKeys(settings.http.oauth)))
    return tuple(found)


def _opening(settings: Settings, metrics: Metrics, observer: Observer) -> OpenTenant:
    """Opens stores of tenants by the same secret as the root. All together may keep as much in
    memory as the root alone."""
    cache_bytes = settings.cache_bytes // settings.http.max_tenants

    @asynccontextmanager
    async def open_tenant(tenant: str) -> AsyncIterator[Store]:
        theirs = replace(
            settings, store=tenant_address(settings.store, tenant), cache_bytes=cache_bytes
        )
        create = settings.http.create_tenants
        opening = theirs.open_store(process_actor("http"), create=create, observer=observer)
        async with opening as store:
            with metrics.watching(store):
                yield store

    return open_tenant


def run_http(settings: Settings) -> int:
    """Serve as `serve_http` does, with logging set up; the exit code, which is 0.

    Raises:
        SafepointError: see `serve_http`.
    """
    return run_until_done(settings, lambda: asyncio.run(serve_http(settings)))
