"""Completions in both eras: names, versions, labels, steps and artifacts, as far as they go."""

from __future__ import annotations

from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import Completion, PromptReference, ResourceTemplateReference
from tests.server.conftest import Agent

from safepoint import Store
from safepoint_server.uris import TEMPLATES, Kind

pytestmark = pytest.mark.anyio


async def completed(
    agent: Agent, what: Kind | str, argument: str, value: str = "", **given: str
) -> Completion:
    ref = (
        ResourceTemplateReference(type="ref/resource", uri=TEMPLATES[what])
        if isinstance(what, Kind)
        else PromptReference(type="ref/prompt", name=what)
    )
    entered = {"name": argument, "value": value}
    return (await agent.client.complete(ref, entered, given or None)).completion


async def test_names_are_completed_the_latest_change_first(agent: Agent) -> None:
    for name in ("Invoice-1", "invoice-2", "other", "invoice|ü:3"):
        await agent.call("save_checkpoint", workspace=name, state=1)
    for what, argument in (
        (Kind.WORKSPACE, "name"),
        (Kind.STEPS, "name"),
        ("hand-over", "workspace"),
    ):
        found = await completed(agent, what, argument, "invoice")
        assert set(found.values) == {"Invoice-1", "invoice-2", "invoice|ü:3"}
        assert (found.total, found.has_more) == (3, False)
    assert (await completed(agent, Kind.ARTIFACT, "name", "nothing")).values == []


async def test_what_a_workspace_holds_is_completed(agent: Agent) -> None:
    await agent.call("plan_steps", workspace="w", steps=["fetch/all", "fold", "send"])
    await agent.call("save_checkpoint", workspace="w", state=1, label="first")
    await agent.call("save_checkpoint", workspace="w", state=2)
    await agent.call("save_checkpoint", workspace="w", state=3, label="final")
    for name in ("a/x.md", "a/y.md", "b.md"):
        await agent.call("save_artifact", workspace="w", name=name, text="x")
    for what, argument, given in (
        (Kind.CHECKPOINT, "version", {"name": "w"}),
        ("review-history", "from", {"workspace": "w"}),
        ("review-history", "to", {"workspace": "w"}),
    ):
        assert (await completed(agent, what, argument, **given)).values == [
            "final", "4", "3", "first", "2"
        ]  # fmt: skip
        assert (await completed(agent, what, argument, "fi", **given)).values == ["final", "first"]
    steps = await completed(agent, Kind.STEP, "step", "f", name="w")
    assert steps.values == ["fetch/all", "fold"]
    files = await completed(agent, Kind.ARTIFACT, "artifact", "A/", name="w")
    assert files.values == ["a/x.md", "a/y.md"]


async def test_at_most_a_hundred_are_given_and_the_rest_counted(agent_on: Any) -> None:
    async with Store.open("memory://") as store, agent_on(store) as agent:
        for n in range(120):
            await store.workspace(f"w{n}").plan_steps(
                [f"s{m}" for m in range(1100 if n == 7 else 1)]
            )
        found = await completed(agent, Kind.WORKSPACE, "name")
        assert (len(found.values), found.total, found.has_more) == (100, 120, True)
        found = await completed(agent, Kind.STEP, "step", "s10", name="w7")
        assert (found.values, found.total, found.has_more) == (
            ["s10", *(f"s{n}" for n in range(100, 110))],
            None,
            True,
        )


async def test_what_has_no_completions_has_none(agent: Agent) -> None:
    await agent.call("save_checkpoint", workspace="w", state=1)
    for what, argument, given in (
        (Kind.STEP, "step", {}),
        (Kind.STEP, "step", {"name": "not there"}),
        (Kind.STEP, "step", {"name": "../w"}),
        (Kind.STEPS, "step", {"name": "w"}),
        ("hand-over", "to", {"workspace": "w"}),
        ("resume-work", "from", {"workspace": "w"}),
    ):
        found = await completed(agent, what, argument, **given)
        assert (found.values, found.total, found.has_more) == ([], 0, False)


async def test_an_unknown_reference_is_refused_by_name(agent: Agent) -> None:
    with pytest.raises(MCPError, match="no prompt 'resume'"):
        await completed(agent, "resume", "workspace")
    ref = ResourceTemplateReference(type="ref/resource", uri="safepoint://x/{name}")
    with pytest.raises(MCPError, match="no resource template") as told:
        await agent.client.complete(ref, {"name": "name", "value": ""})
    assert told.value.error.code == -32602
