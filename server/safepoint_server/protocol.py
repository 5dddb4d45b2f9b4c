"""The parts of the protocol beside tools: resources, completions, prompts, subscriptions. What
serves them is loaded when it is first asked for: starting up has no time for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from mcp.server import MCPServer
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CompleteRequestParams,
    CompleteResult,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from safepoint import InvalidInput, NotFound, SafepointError
from safepoint.observer import Facts, Observer, observed
from safepoint_server.errors import kind_of, refusal, unexpected
from safepoint_server.logs import call_line
from safepoint_server.tools.call import Call, identify

if TYPE_CHECKING:
    from safepoint_server.subscriptions import Subscriptions

__all__ = ["ProtocolServer"]

logger = logging.getLogger(__name__)

R = TypeVar("R")
Requested = ServerRequestContext[Any, Any]
NewCall = Callable[[Context[Any, Any]], Awaitable[Call]]


class ProtocolServer(MCPServer[Any]):
    """An MCPServer that serves all of these, and resources that are registered with it too.

    With `pushes`, connections last, and clients of the earlier era can subscribe. `observer` is
    told of each request as `call`, as CheckedTool tells it of tools.
    """

    def __init__(
        self,
        new_call: NewCall,
        *,
        watch_seconds: float,
        pushes: bool,
        observer: Observer | None = None,
        **options: Any,
    ) -> None:
        super().__init__("safepoint", subscriptions=False, **options)
        self._rest = _Rest(self, new_call, watch_seconds, observer)
        self._rest.serve_by(self._lowlevel_server, pushes=pushes)

    def close_streams(self) -> None:
        """End the streams that clients listen to: they would hold up a stop."""
        self._rest.close_streams()


class _Rest:
    """The handlers of all requests that are not about tools."""

    def __init__(
        self,
        server: MCPServer[Any],
        new_call: NewCall,
        watch_seconds: float,
        observer: Observer | None,
    ) -> None:
        self._server = server
        self._observer = observer
        self._new_call = new_call
        self._watch_seconds = watch_seconds
        self._subscribers: Subscriptions | None = None

    def serve_by(self, server: Server[Any], *, pushes: bool) -> None:
        registered = server.get_request_handler("resources/read")
        assert registered is not None  # noqa: S101 - every MCPServer has one
        self._read_registered = registered.handler
        handle = server.add_request_handler
        handle("resources/list", PaginatedRequestParams, self._resources)
        handle("resources/templates/list", PaginatedRequestParams, self._templates)
        handle("resources/read", ReadResourceRequestParams, self._read)
        handle("prompts/list", PaginatedRequestParams, self._prompts)
        handle("prompts/get", GetPromptRequestParams, self._prompt)
        handle("completion/complete", CompleteRequestParams, self._complete)
        handle("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)
        if pushes:
            handle("resources/subscribe", SubscribeRequestParams, self._subscribe)
            handle("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)

    def close_streams(self) -> None:
        """See ProtocolServer."""
        self._subscriptions().close()

    async def _resources(
        self, context: Requested, params: PaginatedRequestParams
    ) -> ListResourcesResult:
        from safepoint_server.resources import list_resources

        found = await self._run(
            "list_resources", context, lambda call: list_resources(params.cursor, call)
        )
        others = [] if params.cursor else await self._server.list_resources()
        return found.model_copy(update={"resources": [*found.resources, *others]})

    async def _templates(
        self, context: Requested, params: PaginatedRequestParams
    ) -> ListResourceTemplatesResult:
        from safepoint_server.resources import list_templates

        return list_templates()

    async def _read(self, context: Requested, params: ReadResourceRequestParams) -> Any:
        uri = params.uri
        if not uri.startswith("safepoint:"):
            return await self._read_registered(context, params)
        from safepoint_server.resources import read_resource
        from safepoint_server.uris import parse_uri

        async def read(call: Call) -> ReadResourceResult:
            return (await read_resource(parse_uri(uri), call)).result(uri)

        return await self._run("read_resource", context, read, uri=uri)

    async def _prompts(
        self, context: Requested, params: PaginatedRequestParams
    ) -> ListPromptsResult:
        from safepoint_server.prompts import list_prompts

        return list_prompts()

    async def _prompt(self, context: Requested, params: GetPromptRequestParams) -> GetPromptResult:
        from safepoint_server.prompts import get_prompt

        return await self._run(
            "prompt", context, lambda call: get_prompt(params.name, params.arguments or {}, call)
        )

    async def _complete(self, context: Requested, params: CompleteRequestParams) -> CompleteResult:
        from safepoint_server.completions import complete

        return await self._run("complete", context, lambda call: complete(params, call))

    async def _listen(
        self, context: Requested, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        admit = self._admitting(context)
        return await self._run(
            "listen",
            context,
            lambda call: self._subscriptions().listen(context, params, call, admit),
            left="ok",
        )

    async def _subscribe(self, context: Requested, params: SubscribeRequestParams) -> EmptyResult:
        async def subscribe(call: Call) -> EmptyResult:
            admit = self._admitting(context)
            await self._subscriptions().subscribe(context, params.uri, call, admit)
            return EmptyResult()

        return await self._run("subscribe", context, subscribe, uri=params.uri)

    async def _unsubscribe(
        self, context: Requested, params: UnsubscribeRequestParams
    ) -> EmptyResult:
        self._subscriptions().unsubscribe(context, params.uri)
        return EmptyResult()

    def _subscriptions(self) -> Subscriptions:
        if self._subscribers is None:
            from safepoint_server.subscriptions import Subscriptions

            self._subscribers = Subscriptions(self._watch_seconds)
        return self._subscribers

    def _admitting(self, context: Requested) -> Callable[[], Awaitable[Call]]:
        """Lets the caller of this request in, again each time that it is called."""
        asked: Context[Any, Any] = Context(request_context=context, mcp_server=self._server)
        return lambda: self._new_call(asked)

    async def _run(
        self,
        event: str,
        context: Requested,
        act: Callable[[Call], Awaitable[R]],
        *,
        uri: str | None = None,
        left: str = "cancelled",
    ) -> R:
        """Let the caller in, do it, and write one log line, whatever happens. `left` is the outcome
        when the client does not wait for it.

        Raises:
            MCPError: every failure, with what to do about it.
        """
        started, identity = time.perf_counter(), identify(context.request_id)
        data = None if uri is None else {"uri": uri}
        call: Call | None = None
        facts: Facts = {"tool": event, "outcome": left}
        with observed(self._observer, "call", facts):
            try:
                call = await self._admitting(context)()
                result = await act(call)
                facts["outcome"] = "ok"
                return result
            except SafepointError as error:
                facts |= {"outcome": kind_of(error), "code": error.code}
                theirs = isinstance(error, NotFound | InvalidInput)
                code = INVALID_PARAMS if theirs else INTERNAL_ERROR
                raise MCPError(code=code, message=str(refusal(error)), data=data) from None
            except Exception as error:
                facts |= {"outcome": "failed", "code": "internal"}
                incident = identity["call"]
                logger.error("incident %s in %s", incident, event, exc_info=error)
                shown = str(unexpected(incident))
                raise MCPError(code=INTERNAL_ERROR, message=shown, data=data) from None
            finally:
                told = {} if call is None else call.told()
                elapsed = round((time.perf_counter() - started) * 1000, 2)
                outcome = str(facts.get("code", facts["outcome"]))
                call_line(event, outcome, {**told, "ms": elapsed, **identity})
