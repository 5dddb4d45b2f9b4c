"""Clients are told of what they subscribed to, in both eras, in memory and through processes."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.types import ResourceUpdatedNotification
from tests.server.conftest import HANG, Agent
from tests.server.test_http import http_server

from safepoint import InvalidInput, Store
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import GatedObjects
from safepoint_server import subscriptions
from safepoint_server.access import Access, OneStore
from safepoint_server.app import create_server
from safepoint_server.settings import Settings
from safepoint_server.uris import ROOT
from safepoint_server.visible import VisibleStore

pytestmark = pytest.mark.anyio

SOON = replace(Settings.load({}), watch_seconds=0.01)
NEVER = replace(Settings.load({}), watch_seconds=1e6)


class Ear:
    """Subscribes in either era, and hears which addresses it is told of."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.honoured: list[str] = []
        self.streams = False

    async def message(self, message: Any) -> None:
        """The client's handler, which hears what streams are told, too."""
        if isinstance(message, ResourceUpdatedNotification) and not self.streams:
            self.heard.put_nowait(message.params.uri)

    @asynccontextmanager
    async def on(self, agent: Agent, era: str, *uris: str) -> AsyncIterator[None]:
        if era == "auto":
            self.streams = True
            async with agent.client.listen(resource_subscriptions=uris) as stream:
                self.honoured = list(stream.honored.resource_subscriptions or ())
                task = asyncio.create_task(self._listen(stream))
                yield
                task.cancel()
        else:
            with warnings.catch_warnings(action="ignore", category=MCPDeprecationWarning):
                for uri in uris:
                    await agent.client.subscribe_resource(uri)
                yield
                for uri in uris:
                    await agent.client.unsubscribe_resource(uri)

    async def _listen(self, stream: Any) -> None:
        async for event in stream:
            self.heard.put_nowait(event.uri if isinstance(event, ResourceUpdated) else "list")

    async def next(self) -> str:
        return await asyncio.wait_for(self.heard.get(), HANG)


@pytest.fixture
def ear() -> Ear:
    return Ear()


async def test_own_changes_are_told_at_once_by_the_address_as_it_was_given(
    agent_on: Any, era: str, ear: Ear
) -> None:
    uris = f"{ROOT}/w%31", f"{ROOT}/w1/steps", f"{ROOT}/w1/artifacts/a.md"
    async with (
        Store.open("memory://") as store,
        agent_on(store, settings=NEVER, hears=ear.message) as agent,
        ear.on(agent, era, *uris),
    ):
        await agent.call("save_checkpoint", workspace="other", state=1)
        await agent.call("save_checkpoint", workspace="w1", state=1)
        assert await ear.next() == uris[0]
        await agent.call("start_step", workspace="w1", step="s")
        assert {await ear.next(), await ear.next()} == set(uris[:2])
        await agent.call("save_artifact", workspace="w1", name="a.md", text="x")
        assert {await ear.next(), await ear.next()} == {uris[0], uris[2]}
        assert ear.heard.empty()


async def test_changes_by_others_are_told_soon(
    agent_on: Any, era: str, ear: Ear, tmp_path: Path
) -> None:
    async with (
        Store.open(tmp_path) as here,
        Store.open(tmp_path) as there,
        agent_on(here, settings=SOON, hears=ear.message) as agent,
    ):
        await there.workspace("w").save(1)
        uris = f"{ROOT}/w", f"{ROOT}/w/checkpoints", f"{ROOT}/w/checkpoints/last", ROOT
        async with ear.on(agent, era, *uris):
            await there.workspace("w").save(2, label="last")
            assert {await ear.next() for _ in range(3)} == set(uris[:3])
            await there.workspace("v").save(1)
            assert await ear.next() == ROOT


async def test_what_is_unsubscribed_is_told_no_more(agent_on: Any, era: str, ear: Ear) -> None:
    async with (
        Store.open("memory://") as store,
        agent_on(store, settings=NEVER, hears=ear.message) as agent,
    ):
        async with ear.on(agent, era, f"{ROOT}/w"):
            await agent.call("save_checkpoint", workspace="w", state=1)
            assert await ear.next() == f"{ROOT}/w"
        async with ear.on(agent, era, f"{ROOT}/v"):
            await agent.call("save_checkpoint", workspace="w", state=2)
            await agent.call("save_checkpoint", workspace="v", state=1)
            assert await ear.next() == f"{ROOT}/v"
        assert ear.heard.empty()


async def test_nothing_is_watched_when_nobody_listens(agent_on: Any, era: str, ear: Ear) -> None:
    async with Store.open("memory://") as store:
        async with agent_on(store, settings=SOON, hears=ear.message) as agent:
            async with ear.on(agent, era, f"{ROOT}/w"):
                assert store._watching._watches
            await agent.call("list_workspaces")
            if era == "legacy":
                assert not any(watch.busy for watch in store._watching._watches)
        assert not store._watching._watches
        assert not store._watching._following.listeners


async def test_a_stream_that_is_opened_while_the_server_stops_ends_too() -> None:
    async with Store.open("memory://") as store:
        server = create_server(OneStore(store), store, NEVER)
        server.close_streams()
        async with (
            Client(server) as client,
            client.listen(resource_subscriptions=[f"{ROOT}/w"]) as stream,
        ):
            with pytest.raises(StopAsyncIteration):
                await asyncio.wait_for(anext(stream), HANG)
        assert not store._watching._watches


async def test_what_is_unsubscribed_before_the_answer_is_not_watched(era: str) -> None:
    if era == "auto":
        pytest.skip("streams do not change")
    gated = GatedObjects(MemoryObjects())
    async with Store.open(gated) as store:
        server = create_server(OneStore(store), store, NEVER)
        async with Client(server, mode=era) as client:
            with warnings.catch_warnings(action="ignore", category=MCPDeprecationWarning):
                looking = gated.hold("list")
                subscribing = asyncio.create_task(client.subscribe_resource(f"{ROOT}/w"))
                await looking.reached.wait()
                await client.unsubscribe_resource(f"{ROOT}/w")
                looking.open()
                await subscribing
                looking = gated.hold("list")
                subscribing = asyncio.create_task(client.subscribe_resource(f"{ROOT}/v"))
                await looking.reached.wait()
                subscribing.cancel()
                await asyncio.wait([subscribing])
                await client.unsubscribe_resource(f"{ROOT}/x")  # the answer comes after that
            assert not any(watch.busy for watch in store._watching._watches)


async def test_many_subscriptions_at_once_are_not_too_many(era: str) -> None:
    if era == "auto":
        pytest.skip("a stream names all at once")
    async with Store.open("memory://") as store:
        server = create_server(OneStore(store), store, NEVER)
        async with Client(server, mode=era) as client:
            with warnings.catch_warnings(action="ignore", category=MCPDeprecationWarning):
                subscribing = [client.subscribe_resource(f"{ROOT}/w{n}") for n in range(120)]
                done = await asyncio.gather(*subscribing, return_exceptions=True)
            assert sum(isinstance(one, MCPError) for one in done) == 20
            (watch,) = store._watching._watches
            assert len(watch._names) == 100


async def test_new_workspaces_change_the_list(agent_on: Any, ear: Ear, era: str) -> None:
    if era == "legacy":
        pytest.skip("the earlier era has no stream for it")
    async with (
        Store.open("memory://") as store,
        agent_on(store, settings=NEVER) as agent,
        agent.client.listen(resources_list_changed=True, tools_list_changed=True) as stream,
    ):
        assert stream.honored.resources_list_changed
        assert stream.honored.tools_list_changed
        await agent.call("save_checkpoint", workspace="w", state=1)
        assert await asyncio.wait_for(anext(stream), HANG) == ResourcesListChanged()


async def test_only_addresses_of_resources_can_be_subscribed_to(
    agent_on: Any, era: str, ear: Ear
) -> None:
    good = [f"{ROOT}/w/checkpoints/3", f"{ROOT}/not-there-yet"]
    bad = ["file:///etc/passwd", f"{ROOT}/%2e%2e", f"{ROOT}/a%2Fb/steps", f"{ROOT}/w/x"]
    many = [f"{ROOT}/w{n}" for n in range(120)]
    async with Store.open("memory://") as store, agent_on(store, settings=NEVER) as agent:
        if era == "auto":
            async with ear.on(agent, era, *good, *bad):
                assert ear.honoured == good
            async with ear.on(agent, era, *many):
                assert ear.honoured == many[:100]
            return
        for uri in bad:
            with pytest.raises(MCPError, match="Next: "):
                async with ear.on(agent, era, uri):
                    pass
        with pytest.raises(MCPError, match="at most 100"):
            async with ear.on(agent, era, *many):
                pass


class Revocable:
    """See Door. Lets everybody in until it is closed."""

    def __init__(self, store: Store) -> None:
        self.store, self.closed = store, False

    async def admit(self, context: Any) -> Access:
        if self.closed:
            raise InvalidInput("this token was revoked", hint="Get another.", code="revoked")
        return Access(VisibleStore(self.store))


async def test_who_may_not_come_in_any_more_is_told_nothing(era: str, ear: Ear) -> None:
    async with Store.open("memory://") as store:
        door = Revocable(store)
        server = create_server(door, store, NEVER)
        async with Client(server, mode=era, message_handler=ear.message) as client:
            async with ear.on(Agent(client), era, f"{ROOT}/w"):
                await store.workspace("w").save(1)
                assert await ear.next() == f"{ROOT}/w"
                door.closed = True
                await store.workspace("w").save(2)
                async with asyncio.timeout(HANG):
                    while store._watching._watches:
                        await asyncio.sleep(0)
                door.closed = False
            assert ear.heard.empty()


@dataclass
class Named:
    """See Door. Lets everybody in under one name after another."""

    store: Store
    name: str = "anna"

    async def admit(self, context: Any) -> Access:
        return Access(VisibleStore(self.store), self.name, "token")


async def test_no_principal_takes_the_streams_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MAX_STREAMS_EACH", 2)
    async with Store.open("memory://") as store:
        door = Named(store)
        async with Client(create_server(door, store, NEVER)) as client, AsyncExitStack() as staying:
            for _ in range(2):
                await staying.enter_async_context(client.listen(resource_subscriptions=[ROOT]))
            with pytest.raises(MCPError, match="of one principal 2"):
                async with client.listen(resource_subscriptions=[ROOT]):
                    pass
            door.name = "ben"
            async with client.listen(resource_subscriptions=[ROOT]):
                pass
            door.name = "anna"
            await staying.aclose()
            async with asyncio.timeout(HANG):
                while store._watching._watches:
                    await asyncio.sleep(0)
            async with client.listen(resource_subscriptions=[ROOT]):
                pass


async def test_a_client_of_a_process_hears_of_its_work_and_that_of_others(
    process_agent: Any, era: str, ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEPOINT_WATCH_SECONDS", "1")
    async with (
        process_agent(hears=ear.message) as agent,
        Store.open(tmp_path / "store") as store,
        ear.on(agent, era, f"{ROOT}/w"),
    ):
        await agent.call("save_checkpoint", workspace="w", state=1)
        assert await ear.next() == f"{ROOT}/w"
        await store.workspace("w").save(2)
        assert await ear.next() == f"{ROOT}/w"


async def test_over_http_clients_listen_until_the_server_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The earlier era is not promised there what cannot be told."""
    monkeypatch.setenv("SAFEPOINT_WATCH_SECONDS", "1")
    async with AsyncExitStack() as staying:
        async with http_server(tmp_path) as (url, _):
            async with Client(url, mode="legacy") as early:
                assert early.server_capabilities.resources.subscribe is False
                with (
                    warnings.catch_warnings(action="ignore", category=MCPDeprecationWarning),
                    pytest.raises(MCPError),
                ):
                    await early.subscribe_resource(f"{ROOT}/w")
            client = await staying.enter_async_context(Client(url))
            store = await staying.enter_async_context(Store.open(tmp_path / "store"))
            listening = client.listen(resource_subscriptions=[f"{ROOT}/w"])
            stream = await staying.enter_async_context(listening)
            await Agent(client).call("save_checkpoint", workspace="w", state=1)
            assert await asyncio.wait_for(anext(stream), HANG) == ResourceUpdated(f"{ROOT}/w")
            await store.workspace("w").save(2)
            assert await asyncio.wait_for(anext(stream), HANG) == ResourceUpdated(f"{ROOT}/w")
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(anext(stream), HANG)
