"""The gate before every route: who calls, told before anything of the request's body is read."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import Context
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from safepoint import InvalidInput, NotFound, SafepointError, Store
from safepoint_server.access import Access
from safepoint_server.auth.callers import Caller, Refused, Verifier, bad_token, unavailable
from safepoint_server.auth.stores import Stores
from safepoint_server.scopes import Scope
from safepoint_server.visible import VisibleStore

__all__ = ["Gate", "HttpDoor", "request_principal"]

logger = logging.getLogger(__name__)

_ADMITTED: Final = "safepoint.admitted"
_AGAIN_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Admitted:
    """Who made a request, by which token, and when that was checked."""

    caller: Caller
    token: str
    store: Store
    checked: float

    async def still(self, verifiers: Sequence[Verifier]) -> bool:
        """Whether the token is as good as it was, as of a few seconds ago at most."""
        if time.monotonic() - self.checked >= _AGAIN_SECONDS:
            try:
                again = await verified(verifiers, self.token)
            except Refused:
                return False
            if again != self.caller:
                return False
            self.checked = time.monotonic()
        return True


class Gate:
    """Middleware. `open_paths` are for everybody; a path in `needs` takes a scope of its own,
    and is for no tenant.
    `asks` is what a refusal tells OAuth clients: where to find the issuer, and what to ask for."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        verifiers: Sequence[Verifier],
        stores: Stores,
        open_paths: frozenset[str],
        needs: Mapping[str, Scope],
        asks: Mapping[str, str],
    ) -> None:
        self._app = app
        self._verifiers = verifiers
        self._stores = stores
        self._open = open_paths
        self._needs = needs
        self._asks = asks

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._open:
            await self._app(scope, receive, send)
            return
        try:
            token = _bearer(scope)
            caller = await verified(self._verifiers, token)
            self._check_scopes(caller, scope["path"])
            async with self._held(caller) as store:
                admitted = _Admitted(caller, token, store, time.monotonic())
                scope[_ADMITTED] = admitted
                await self._serve(admitted, scope, receive, send)
        except Refused as refused:
            told = {"status": refused.status, "error": refused.error, "path": scope["path"][:100]}
            logger.warning("refused", extra={"safepoint": told})
            await self._answer(refused)(scope, receive, send)

    async def _serve(
        self, admitted: _Admitted, scope: Connection, receive: Receive, send: Send
    ) -> None:
        """A reply that goes on and on ends where its caller would not be let in any more."""

        async def sending(message: Message) -> None:
            if message.get("more_body") and not await admitted.still(self._verifiers):
                serving.cancel()
                return
            await send(message)

        with anyio.CancelScope() as serving:
            await self._app(scope, receive, sending)
        if serving.cancel_called:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    @asynccontextmanager
    async def _held(self, caller: Caller) -> AsyncIterator[Store]:
        """Raises Refused. Only a tenant is told that it has no store: of others nothing is told."""
        async with AsyncExitStack() as leaving:
            try:
                store = await leaving.enter_async_context(self._stores.hold(caller.tenant))
            except NotFound:
                text = "There is no store for the tenant of this token yet."
                raise Refused(403, "access_denied", text) from None
            except SafepointError as error:
                logger.error("the store of tenant %s does not open: %s", caller.tenant, error.code)
                raise unavailable("The store cannot be opened now") from None
            yield store

    def _check_scopes(self, caller: Caller, path: str) -> None:
        needed = self._needs.get(path)
        if needed is not None and caller.tenant is not None:
            text = "This is of all tenants together, and not for a token of one."
            raise Refused(403, "access_denied", text)
        if not caller.scopes or (needed is not None and needed not in caller.scopes):
            what = f"the scope {needed}" if needed is not None else "a scope of this server"
            raise Refused(403, "insufficient_scope", f"This needs {what}; the token has it not.")

    def _answer(self, refused: Refused) -> JSONResponse:
        headers = {"Cache-Control": "no-store"}
        if refused.status in (401, 403):
            told = {**({"error": refused.error} if refused.error else {}), **self._asks}
            shown = ", ".join(f'{name}="{value}"' for name, value in told.items())
            headers["WWW-Authenticate"] = f"Bearer {shown}".strip()
        if refused.status == 503:
            headers["Retry-After"] = "5"
        return JSONResponse(refused.body, refused.status, headers)


class HttpDoor:
    """See Door. Whom the gate let in; who stays long, as on a stream, is looked at again."""

    def __init__(self, verifiers: Sequence[Verifier]) -> None:
        self._verifiers = verifiers

    async def admit(self, context: Context[Any, Any]) -> Access:
        """See Door.admit."""
        admitted = _admitted(context.request_context)
        if admitted is None:
            raise InvalidInput("this call did not come through the gate", code="unauthenticated")
        if not await admitted.still(self._verifiers):
            raise InvalidInput(
                "the token of this call is not valid any more", code="unauthenticated"
            )
        caller = admitted.caller
        store = VisibleStore(admitted.store, caller.patterns)
        return Access(store, caller.principal, caller.by, caller.tenant, caller.scopes)


def request_principal(context: ServerRequestContext[Any, Any]) -> str | None:
    """Whose the request is, so that what one caller is to bring back no other can."""
    admitted = _admitted(context)
    if admitted is None:
        return None
    caller = admitted.caller
    return f"{caller.by} {caller.tenant or ''} {caller.id}"


async def verified(verifiers: Sequence[Verifier], token: str) -> Caller:
    """Raises Refused, as the verifier does whose tokens look so."""
    for verifier in verifiers:
        if verifier.takes(token):
            return await verifier.verify(token)
    raise bad_token("This token is not of a kind that is taken here.")


def _admitted(context: ServerRequestContext[Any, Any]) -> _Admitted | None:
    request = context.request
    return request.scope.get(_ADMITTED) if isinstance(request, Request) else None


def _bearer(scope: Connection) -> str:
    """The token of a request: in its one Authorization header, and nowhere else."""
    given = Headers(scope=scope).getlist("authorization")
    if not given:
        raise Refused(401, "", "Send a token, as in `Authorization: Bearer …`.")
    kind, _, token = given[0].partition(" ")
    if len(given) > 1 or kind.lower() != "bearer" or not token.strip():
        raise bad_token("There is to be one header `Authorization: Bearer …`.")
    return token.strip()
