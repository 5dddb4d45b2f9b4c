"""What clients are told of while they wait, in both eras: a stream that answers one request, or
notifications on the connection of a client that subscribed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import Any, Final

import anyio
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.shared.subscriptions import (
    SUBSCRIPTION_ID_META_KEY,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    event_to_notification,
)
from mcp.types import (
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
)

from safepoint import InvalidInput, LimitExceeded, NotFound, SafepointError
from safepoint.watching import Part, Watch, Watched
from safepoint_server.tools.call import Call
from safepoint_server.uris import Kind, Target, parse_uri

__all__ = ["Subscriptions"]

MAX_URIS: Final = 100
MAX_STREAMS: Final = 1000
MAX_STREAMS_EACH: Final = 200
"""Of one principal, where callers can be told apart: nobody takes all there are."""

_PARTS: Final = {
    Kind.WORKSPACES: Part.LIST,
    Kind.WORKSPACE: Part.WORKSPACE,
    Kind.STEPS: Part.STEPS,
    Kind.STEP: Part.STEP,
    Kind.CHECKPOINTS: Part.CHECKPOINTS,
    Kind.CHECKPOINT: Part.CHECKPOINTS,  # of a label: any newer one may have it
    Kind.ARTIFACT: Part.ARTIFACT,
}
_NAMES: Final = Watched(Part.NAMES)

Admit = Callable[[], Awaitable[Call]]
Holder = tuple[str | None, str, str]
"""Tenant, kind of credentials and principal."""


class _Wanted:
    """The addresses that one client subscribed to, as it wrote them, and what they rest on."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self._uris: dict[str, Watched | None] = {}

    async def add(self, uri: str, call: Call) -> None:
        """Whether there is such a thing, or will ever be, makes no difference.

        Raises:
            NotFound, InvalidInput: it is none of our addresses.
            LimitExceeded: these are too many.
        """
        if uri in self._uris:
            return
        if len(self._uris) >= MAX_URIS:
            raise LimitExceeded(
                f"A client subscribes to at most {MAX_URIS} resources",
                hint="Subscribe to safepoint://workspaces instead, or unsubscribe from some.",
            )
        watched = _watched(parse_uri(uri), call)
        self._uris[uri] = watched  # at once: it counts, and the client may take it back meanwhile
        if watched is not None:
            try:
                await self.watch.add(watched)
            except BaseException:
                self.remove(uri)
                raise

    def remove(self, uri: str) -> None:
        watched = self._uris.pop(uri, None)
        if watched is not None and watched not in self._uris.values():
            self.watch.discard(watched)

    async def next_events(self) -> list[ServerEvent]:
        """What is to be told next; nothing once the watch is closed."""
        while changed := await self.watch.changed():
            events: list[ServerEvent] = [ResourcesListChanged()] if _NAMES in changed else []
            uris = self._uris.items()
            events += [ResourceUpdated(uri) for uri, watched in uris if watched in changed]
            if events:
                return events
        return []


def _watched(target: Target, call: Call) -> Watched | None:
    """None for what never changes, and for what this caller does not get to see."""
    if target.kind is not Kind.WORKSPACES:
        try:
            call.workspace(target.name)
        except NotFound:
            return None
    if target.version is not None and target.kind is Kind.CHECKPOINT:
        return None
    item = target.item if target.kind in (Kind.STEP, Kind.ARTIFACT) else ""
    return Watched(_PARTS[target.kind], target.name, item)


class Subscriptions:
    """The subscriptions of all clients of one server. What is told of goes through `admit` each
    time: who may not come in any more hears nothing."""

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)
        self._watches: dict[Watch, Holder] = {}
        self._connections: dict[Connection, _Wanted] = {}
        self._closed = False

    def close(self) -> None:
        """End all streams, as their clients are told, and those that are only about to begin."""
        self._closed = True
        for watch in tuple(self._watches):
            watch.close()

    async def listen(
        self,
        context: ServerRequestContext[Any, Any],
        params: SubscriptionsListenRequestParams,
        call: Call,
        admit: Admit,
    ) -> SubscriptionsListenResult:
        """`subscriptions/listen`: acknowledge what will be told of, and tell it until the client
        leaves or the server stops.

        Raises:
            LimitExceeded: too many listen.
            SafepointError: the caller is admitted no longer.
        """
        request = context.request_id
        meta: dict[str, Any] = {SUBSCRIPTION_ID_META_KEY: request}
        with self._watch(call) as watch:
            wanted = _Wanted(watch)
            honoured = await _honoured(wanted, params.notifications, call)
            told = SubscriptionsAcknowledgedNotificationParams(notifications=honoured, _meta=meta)
            await context.session.send_notification(
                SubscriptionsAcknowledgedNotification(params=told), related_request_id=request
            )
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it has left
                while events := await wanted.next_events():
                    await admit()
                    for event in events:
                        await context.session.send_notification(
                            event_to_notification(event, meta), related_request_id=request
                        )
        return SubscriptionsListenResult(_meta=meta)

    async def subscribe(
        self, context: ServerRequestContext[Any, Any], uri: str, call: Call, admit: Admit
    ) -> None:
        """`resources/subscribe`: tell this connection of it as long as it lasts.

        Raises:
            NotFound, InvalidInput, LimitExceeded: the caller cannot subscribe to that.
        """
        connection = context.session._connection  # nothing public names it
        wanted = self._connections.get(connection)
        if wanted is None:
            ended = ExitStack()
            wanted = _Wanted(ended.enter_context(self._watch(call)))
            self._connections[connection] = wanted
            ended.callback(self._connections.pop, connection, None)
            task = asyncio.create_task(_push(connection, wanted, admit))
            task.add_done_callback(lambda _: ended.close())
            connection.exit_stack.callback(task.cancel)
        await wanted.add(uri, call)

    def unsubscribe(self, context: ServerRequestContext[Any, Any], uri: str) -> None:
        """`resources/unsubscribe`."""
        wanted = self._connections.get(context.session._connection)
        if wanted is not None:
            wanted.remove(uri)

    @contextmanager
    def _watch(self, call: Call) -> Iterator[Watch]:
        access = call.access
        holder = (access.tenant, access.by, access.principal)
        held = sum(other == holder for other in self._watches.values())
        if len(self._watches) >= MAX_STREAMS or (access.principal and held >= MAX_STREAMS_EACH):
            raise LimitExceeded(
                f"A server has at most {MAX_STREAMS} subscribers, and of one principal "
                f"{MAX_STREAMS_EACH}; so many listen now",
                hint="Read the resource again when you need to know.",
            )
        watch = call.store.watch(self._interval)
        if self._closed:
            watch.close()
        self._watches[watch] = holder
        try:
            yield watch
        finally:
            del self._watches[watch]
            watch.close()


async def _push(connection: Connection, wanted: _Wanted, admit: Admit) -> None:
    """Until the connection ends, or its caller is not admitted any more."""
    with suppress(SafepointError):
        while events := await wanted.next_events():
            await admit()
            for event in events:
                if isinstance(event, ResourceUpdated):
                    await connection.send_resource_updated(event.uri)


async def _honoured(wanted: _Wanted, asked: SubscriptionFilter, call: Call) -> SubscriptionFilter:
    """Subscribe to what can be. Tools and prompts never change while this server runs."""
    uris: list[str] = []
    for uri in asked.resource_subscriptions or ():
        try:
            await wanted.add(uri, call)
        except (NotFound, InvalidInput, LimitExceeded):
            continue
        uris.append(uri)
    if asked.resources_list_changed:
        await wanted.watch.add(_NAMES)
    return SubscriptionFilter(
        tools_list_changed=asked.tools_list_changed or None,
        prompts_list_changed=asked.prompts_list_changed or None,
        resources_list_changed=asked.resources_list_changed or None,
        resource_subscriptions=uris or None,
    )
