"""What a caller without a scope, or outside of its workspaces, sees, and how it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.shared.subscriptions import ResourceUpdated
from mcp.types import ElicitResult, ResourceTemplateReference
from tests.server.conftest import HANG, Agent

from safepoint import InvalidInput, Store
from safepoint_server.access import Access
from safepoint_server.app import create_server
from safepoint_server.patterns import Patterns
from safepoint_server.scopes import EVERYTHING, Scope
from safepoint_server.settings import Settings
from safepoint_server.visible import VisibleStore

pytestmark = pytest.mark.anyio

READING = {
    *("load_checkpoint", "list_checkpoints", "list_steps", "list_workspaces", "load_artifact"),
    "compare_checkpoints",
}


@dataclass(frozen=True)
class OneCaller:
    """A door that knows one caller."""

    access: Access

    async def admit(self, context: Any) -> Access:
        return self.access


@asynccontextmanager
async def agent_with(
    store: Store,
    *patterns: str,
    scopes: frozenset[Scope] = EVERYTHING,
    mode: str = "auto",
    person: Any = None,
) -> AsyncIterator[Agent]:
    access = Access(VisibleStore(store, Patterns(patterns)), "alice", "token", scopes=scopes)
    settings = Settings.load({"SAFEPOINT_TOOLSETS": "core,history"})
    server = create_server(OneCaller(access), store, settings, transport="http")
    async with Client(server, mode=mode, elicitation_callback=person) as client:
        yield Agent(client)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """A store with workspaces of two teams."""
    async with Store.open("memory://") as opened:
        for name in ("blue-one", "blue-two", "red-one", "red-two"):
            await opened.workspace(name).save({"of": name})
            await opened.workspace(name).approvals.request("go", "May I?")
        yield opened


async def test_tools_without_their_scope_are_neither_listed_nor_run(store: Store, era: str) -> None:
    async with agent_with(store, scopes=frozenset({Scope.READ}), mode=era) as agent:
        listed = (await agent.client.list_tools()).tools
        told = await agent.refused("save_checkpoint", workspace="blue-one", state={})
        loaded = await agent.call("load_checkpoint", workspace="blue-one")
    assert {tool.name for tool in listed} == READING
    assert "needs the scope write" in told
    assert told.endswith("[insufficient_scope]")
    assert (loaded["version"], loaded["state"]) == (2, {"of": "blue-one"})
    async with agent_with(store, scopes=frozenset({Scope.WRITE}), mode=era) as agent:
        assert not READING & {tool.name for tool in (await agent.client.list_tools()).tools}
        assert "needs the scope read" in await agent.refused("list_workspaces")


async def test_all_else_that_shows_a_store_needs_the_scope_read(store: Store, era: str) -> None:
    await store.workspace("blue-one").artifacts.save("a.txt", b"text")
    uri = "safepoint://workspaces/blue-one/artifacts/a.txt"
    async with agent_with(store, scopes=EVERYTHING - {Scope.READ}, mode=era) as agent:
        with pytest.raises(MCPError, match="needs the scope read"):
            await agent.client.read_resource(uri)
        with pytest.raises(MCPError, match="needs the scope read"):
            await agent.client.list_resource_templates()
    async with agent_with(store, "red-*", mode=era) as agent:
        with pytest.raises(MCPError) as outside:
            await agent.client.read_resource(uri)
        with pytest.raises(MCPError) as missing:
            await agent.client.read_resource(uri.replace("blue-one", "red-six"))
    assert str(outside.value).replace("blue-one", "red-six") == str(missing.value)


async def test_a_workspace_outside_is_as_if_it_were_not_there(store: Store, era: str) -> None:
    """Word for word what a store says that has no other workspaces than those inside."""
    async with (
        Store.open("memory://") as without,
        agent_with(store, "red-*", mode=era) as agent,
        agent_with(without, mode=era) as alone,
    ):
        for name in ("red-one", "red-two"):
            await without.workspace(name).save({})
        for tool in sorted(READING - {"list_workspaces"}):
            arguments = {"name": "a.txt"} if tool == "load_artifact" else {}
            arguments |= {"old": 1} if tool == "compare_checkpoints" else {}
            for name in ("blue-one", "blue-six"):
                told = await agent.refused(tool, workspace=name, **arguments)
                assert told == await alone.refused(tool, workspace=name, **arguments)
                assert told.endswith("[workspace_not_found]")


async def test_writing_outside_is_refused_whether_it_exists_or_not(store: Store, era: str) -> None:
    async with agent_with(store, "red-*", mode=era) as agent:
        for tool, arguments in (
            ("save_checkpoint", {"state": {}}),
            ("plan_steps", {"steps": ["a"]}),
            ("start_step", {"step": "a"}),
            ("request_approval", {"name": "go"}),
            ("rewind_workspace", {"version": 1}),
            ("fork_workspace", {"new_name": "red-fork"}),
        ):
            exists = await agent.refused(tool, workspace="blue-one", **arguments)
            absent = await agent.refused(tool, workspace="blue-six", **arguments)
            assert exists.replace("blue-one", "blue-six") == absent
            assert absent.endswith("[workspace_not_allowed]")
        out = await agent.refused("fork_workspace", workspace="red-one", new_name="blue-six")
        taken = await agent.refused("fork_workspace", workspace="red-one", new_name="blue-two")
        assert out.replace("blue-six", "blue-two") == taken
        assert (await agent.call("fork_workspace", workspace="red-one", new_name="red-fork"))[
            "version"
        ]
    assert [name async for name in store.names()] == [
        *("blue-one", "blue-two", "red-fork", "red-one", "red-two"),
    ]
    assert (await store.workspace("blue-one").load()).version == 2


async def test_lists_show_only_what_is_inside(store: Store, era: str) -> None:
    for number in range(8):
        await store.workspace(f"blue-{number}").save({})
    async with agent_with(store, "red-*", mode=era) as agent:
        first = await agent.call("list_workspaces", limit=1)
        rest = await agent.call("list_workspaces", limit=5, cursor=first["next_cursor"])
        told = await agent.refused("load_checkpoint", workspace="red-on")
        none = await agent.call("list_workspaces", prefix="blue")
    assert [line["name"] for line in first["workspaces"]] == ["red-one"]
    assert "blue" not in first["next_cursor"]
    assert [line["name"] for line in rest["workspaces"]] == ["red-two"]
    assert "next_cursor" not in rest
    assert none == {"workspaces": []}
    assert "'red-one'" in told
    assert "blue" not in told
    visible = VisibleStore(store, Patterns(("red-*",)))
    asked = await visible.inbox(limit=1)
    more = await visible.inbox(limit=5, cursor=asked.next_cursor)
    assert [one.workspace for one in (*asked.items, *more.items)] == ["red-one", "red-two"]
    assert "blue" not in str(asked.next_cursor)
    assert [name async for name in visible.names()] == ["red-one", "red-two"]


async def test_resources_completions_and_prompts_know_nothing_outside(
    store: Store, era: str
) -> None:
    async with (
        Store.open("memory://") as without,
        agent_with(store, "red-*", mode=era) as agent,
        agent_with(without, mode=era) as alone,
    ):
        for name in ("red-one", "red-two"):
            await without.workspace(name).save({"of": name})
        listed = await agent.client.list_resources()
        assert "red-one" in str(listed)
        assert "blue" not in str(listed)
        everything = await agent.client.read_resource("safepoint://workspaces")
        assert "red-two" in str(everything)
        assert "blue" not in str(everything)
        ref = ResourceTemplateReference(uri="safepoint://workspaces/{name}")
        found = await agent.client.complete(ref, {"name": "name", "value": ""})
        assert sorted(found.completion.values) == ["red-one", "red-two"]
        assert found.completion.total == 2

        for what in ("", "/steps", "/checkpoints/1", "/artifacts/a.txt"):
            uri = f"safepoint://workspaces/blue-one{what}"
            assert await told(agent.client.read_resource(uri)) == await told(
                alone.client.read_resource(uri)
            )
        for prompt in ("resume-work", "hand-over", "review-history"):
            asked = {"workspace": "blue-one"}
            assert await told(agent.client.get_prompt(prompt, asked)) == await told(
                alone.client.get_prompt(prompt, asked)
            )


async def told(reply: Awaitable[Any]) -> str:
    """What came, or how it was refused."""
    try:
        return str(await reply)
    except MCPError as error:
        return str(error)


async def test_subscribers_hear_nothing_from_outside(store: Store) -> None:
    blue, red, every = (f"safepoint://workspaces{rest}" for rest in ("/blue-one", "/red-one", ""))
    async with (
        agent_with(store, "red-*") as agent,
        agent.client.listen(resource_subscriptions=[blue, red, every]) as stream,
    ):
        assert stream.honored.resource_subscriptions == [blue, red, every]
        await store.workspace("blue-one").save({"n": 2})
        await store.workspace("red-one").save({"n": 2})
        heard = {await asyncio.wait_for(anext(stream), HANG) for _ in range(2)}
        assert heard == {ResourceUpdated(red), ResourceUpdated(every)}
        await store.workspace("blue-new").save({})
        await store.workspace("red-two").save({})
        assert await asyncio.wait_for(anext(stream), HANG) == ResourceUpdated(every)


async def test_a_damaged_workspace_outside_is_not_shown(store: Store) -> None:
    long = "blue-" + "x" * 300
    await store.workspace(long).save({})
    keys = [key for key in await store.objects.list("workspaces/") if "xxx" in key]
    for key in keys:
        if "/keys/" in key:
            await store.objects.put(key, b"no manifest")
        if key.endswith("summary"):
            await store.objects.delete(key)
    everything = await store.workspaces()
    assert "damaged" in {info.status for info in everything.items}
    visible = VisibleStore(store, Patterns(("*x*", "red-*")))
    shown = await visible.workspaces(limit=50)
    assert {info.name for info in shown.items} == {"red-one", "red-two"}


async def test_only_who_may_approve_sees_a_dialog(store: Store) -> None:
    asked: list[str] = []

    async def person(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"decision": "approve"})

    may_not = EVERYTHING - {Scope.APPROVE}
    request = {"workspace": "red-one", "name": "send", "question": "Send it?"}
    async with agent_with(store, scopes=may_not, person=person) as agent:
        pending = await agent.call("request_approval", **request)
    assert (pending["status"], asked) == ("pending", [])
    async with agent_with(store, person=person) as agent:
        decided = await agent.call("request_approval", **request)
    assert (decided["status"], len(asked)) == ("approved", 1)
    assert decided["decided_by"].startswith("alice ")


async def test_nobody_brings_back_what_another_was_given(store: Store) -> None:
    who = ["alice"]

    async def person(context: Any, params: Any) -> ElicitResult:
        who[0] = "eve"
        return ElicitResult(action="accept", content={"decision": "approve"})

    access = Access(VisibleStore(store), "alice", "token")
    server = create_server(
        OneCaller(access), store, Settings.load({}), principal=lambda context: who[0]
    )
    async with Client(server, elicitation_callback=person) as client:
        with pytest.raises(MCPError):
            await client.call_tool(
                "request_approval", {"workspace": "red-one", "name": "send", "question": "Now?"}
            )
    assert (await store.workspace("red-one").approvals.get("send")).status == "pending"


async def test_history_names_the_principal_and_the_client_it_used(store: Store) -> None:
    async with agent_with(store) as agent:
        await agent.call("save_checkpoint", workspace="red-one", state={})
        loaded = await agent.call("load_checkpoint", workspace="red-one")
    assert loaded["saved_by"]["name"] == "alice"
    assert loaded["saved_by"]["version"].startswith("mcp ")
    assert loaded["saved_by"]["transport"] == "http/token"


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("red-*", ["red-", "red-one"], ["red", "ared-one"]),
        ("*-one", ["-one", "red-one"], ["red-one-"]),
        ("a*b*c", ["abc", "axbxc", "abbcc"], ["acb", "ab", "abcd"]),
        ("aba*aba", ["abaaba"], ["aba", "ababa"]),
        ("red", ["red"], ["red-one", "Red"]),
        ("*", ["", "anything"], []),
        ("[a-z]?.", ["[a-z]?."], ["b.."]),
    ],
)
def test_a_star_stands_for_anything_and_all_else_for_itself(
    pattern: str, inside: list[str], outside: list[str]
) -> None:
    patterns = Patterns((pattern,))
    assert [name for name in inside if not patterns.cover(name)] == []
    assert [name for name in outside if patterns.cover(name)] == []


def test_patterns_that_nobody_can_mean_are_refused() -> None:
    for wrong in (("",), ("x" * 201,), ("a\n",), ("a",) * 51):
        with pytest.raises(InvalidInput):
            Patterns(wrong)
    assert not Patterns(("a" + "*a" * 99,)).cover("a" * 98 + "b")
