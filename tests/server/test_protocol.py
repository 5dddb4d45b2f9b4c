"""All that is not a tool: what the server says it can, whom it lets in, whose store they see."""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import replace
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp.types import Implementation, PromptReference, ResourceTemplateReference
from tests.server.conftest import HANG, Agent

from safepoint import InvalidInput, Store
from safepoint_server.access import Access
from safepoint_server.app import create_server
from safepoint_server.settings import Settings
from safepoint_server.uris import ROOT, TEMPLATES, Kind

pytestmark = pytest.mark.anyio

SETTINGS = replace(Settings.load({}), watch_seconds=1e6)


async def test_the_server_says_what_it_can(agent: Agent, era: str) -> None:
    able = agent.client.server_capabilities
    assert able.completions is not None
    assert able.prompts is not None
    assert able.tools is not None
    assert able.resources.subscribe is True
    assert bool(able.resources.list_changed) is (era == "auto")
    assert able.logging is None
    assert able.experimental is None


class Tenants:
    """See Door. Each client has the store of its name, and others are not let in."""

    def __init__(self, **stores: Store) -> None:
        self.stores = stores

    async def admit(self, context: Any) -> Access:
        store = self.stores.get(context.session.client_params.client_info.name)
        if store is None:
            raise InvalidInput("this token opens nothing", hint="Get another.", code="no_entry")
        return Access(store)


def connected(server: Any, name: str, era: str) -> Client:
    return Client(server, mode=era, client_info=Implementation(name=name, version="1"))


async def test_nobody_comes_in_by_another_way(era: str) -> None:
    async with Store.open("memory://") as store:
        await store.workspace("w").save(1)
        server = create_server(Tenants(one=store), store, SETTINGS)
        async with connected(server, "nobody", era) as client:
            for ask in (
                lambda: client.list_resources(),
                lambda: client.read_resource(f"{ROOT}/w"),
                lambda: client.read_resource(f"{ROOT}/nothing"),
                lambda: client.get_prompt("resume-work", {"workspace": "w"}),
                lambda: client.complete(
                    PromptReference(type="ref/prompt", name="resume-work"),
                    {"name": "workspace", "value": ""},
                ),
                lambda: subscribed(client, era),
            ):
                with pytest.raises(MCPError, match=r"\[no_entry\]"):
                    await ask()


async def subscribed(client: Client, era: str) -> None:
    if era == "auto":
        async with client.listen(resource_subscriptions=[f"{ROOT}/w"]):
            return
    with warnings.catch_warnings(action="ignore", category=MCPDeprecationWarning):
        await client.subscribe_resource(f"{ROOT}/w")


async def test_each_caller_sees_its_own_store_alone(era: str) -> None:
    async with Store.open("memory://") as one, Store.open("memory://") as two:
        await one.workspace("shared").save({"of": "one"}, label="of-one")
        await one.workspace("only-one").save(1)
        await two.workspace("shared").save({"of": "two"}, label="of-two")
        server = create_server(Tenants(one=one, two=two), one, SETTINGS)
        async with connected(server, "two", era) as client:
            listed = (await client.list_resources()).resources
            assert [resource.name for resource in listed] == ["workspaces", "shared"]
            for uri in (ROOT, f"{ROOT}/shared", f"{ROOT}/shared/checkpoints"):
                (content,) = (await client.read_resource(uri)).contents
                assert "one" not in content.text
            with pytest.raises(MCPError, match="workspace_not_found") as told:
                await client.read_resource(f"{ROOT}/only-on")
            assert "only-one" not in told.value.error.message
            ref = ResourceTemplateReference(type="ref/resource", uri=TEMPLATES[Kind.CHECKPOINT])
            found = await client.complete(ref, {"name": "name", "value": ""})
            assert found.completion.values == ["shared"]
            argument = {"name": "version", "value": ""}
            found = await client.complete(ref, argument, {"name": "shared"})
            assert found.completion.values == ["of-two", "1"]
            review = await client.get_prompt("review-history", {"workspace": "shared"})
            assert "of-one" not in review.model_dump_json()


async def test_nobody_hears_of_another_store() -> None:
    async with Store.open("memory://") as one, Store.open("memory://") as two:
        server = create_server(Tenants(one=one, two=two), one, SETTINGS)
        async with (
            connected(server, "two", "auto") as client,
            client.listen(
                resource_subscriptions=[f"{ROOT}/w", ROOT], resources_list_changed=True
            ) as stream,
        ):
            await one.workspace("w").save(1)
            await two.workspace("v").save(1)
            heard = {await asyncio.wait_for(anext(stream), HANG) for _ in range(2)}
            assert heard == {ResourcesListChanged(), ResourceUpdated(ROOT)}
            await two.workspace("w").save(1)
            heard = {await asyncio.wait_for(anext(stream), HANG) for _ in range(3)}
            assert ResourceUpdated(f"{ROOT}/w") in heard
