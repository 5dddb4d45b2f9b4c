"""Steps over MCP: plan, start, mark, and what each decision means."""

from __future__ import annotations

import pytest

from safepoint import Store

pytestmark = pytest.mark.anyio


async def test_steps_are_planned_started_and_marked(agent) -> None:
    plan = await agent.call(
        "plan_steps",
        workspace="job",
        goal="ship it",
        steps=["build", {"name": "ship", "title": "Ship it", "after": ["build"]}],
    )
    assert (plan["added"], plan["kept"], plan["total"]) == (["build", "ship"], [], 2)
    assert plan["next_step"] == "build"

    blocked = await agent.call("start_step", workspace="job", step="ship")
    assert (blocked["decision"], blocked["needs"]) == ("blocked", ["build"])
    started = await agent.call("start_step", workspace="job", step="build", input={"src": 1})
    assert started["decision"] == "run"
    assert started["idempotency_key"] == "job:1:build"
    waiting = await agent.call("start_step", workspace="job", step="build", input={"src": 1})
    assert (waiting["decision"], waiting["holder"]["name"]) == ("wait", "tester")
    assert waiting["wait_until"] == started["lease_until"]
    renewed = await agent.call(
        "start_step",
        workspace="job",
        step="build",
        input={"src": 1},
        lease_seconds=600,
        fencing_token=started["fencing_token"],
    )
    assert renewed["decision"] == "run"
    assert renewed["lease_until"] > started["lease_until"]

    marked = await agent.call(
        "mark_step_done",
        workspace="job",
        step="build",
        result={"image": "sha256:1", "none": None},
        fencing_token=renewed["fencing_token"],
        state={"image": "sha256:1"},
        summary="built",
    )
    assert (marked["status"], marked["state_saved"], marked["next_step"]) == ("done", True, "ship")
    assert marked["progress"] == {"total": 2, "done": 1, "pending": 1}
    again = await agent.call(
        "mark_step_done",
        workspace="job",
        step="build",
        result={"image": "sha256:1", "none": None},
        state={"image": "sha256:1"},
        summary="built",
    )
    assert again["repeated"] is True
    assert again["version"] == marked["version"]

    skipped = await agent.call("start_step", workspace="job", step="build", input={"src": 1})
    assert skipped["decision"] == "skip"
    assert skipped["result"] == {"image": "sha256:1", "none": None}
    loaded = await agent.call("load_checkpoint", workspace="job")
    assert (loaded["goal"], loaded["next_step"]) == ("ship it", "ship")
    assert (loaded["done"], loaded["pending"]) == (["build"], ["ship"])
    assert loaded["state"] == {"image": "sha256:1"}


async def test_a_step_in_flight_is_in_the_brief_with_its_key_and_advice(agent) -> None:
    await agent.call("start_step", workspace="job", step="mail")
    (flight,) = (await agent.call("load_checkpoint", workspace="job"))["in_flight"]
    assert flight["step"] == "mail"
    assert flight["idempotency_key"] == "job:1:mail"
    assert flight["interrupted"] is False
    assert flight["advice"]
    assert "tester on " in flight["holder"]


async def test_another_input_and_a_stale_token_are_refused(agent) -> None:
    started = await agent.call("start_step", workspace="job", step="mail", input=None)
    text = await agent.refused(
        "start_step", workspace="job", step="mail", input="SECRET", fencing_token=1
    )
    assert "SECRET" not in text
    assert "[input_changed]" in text
    text = await agent.refused(
        "mark_step_done", workspace="job", step="mail", fencing_token=started["version"] + 5
    )
    assert "[stale_token]" in text


async def test_a_failed_step_says_so(agent) -> None:
    started = await agent.call("start_step", workspace="job", step="mail")
    marked = await agent.call(
        "mark_step_done",
        workspace="job",
        step="mail",
        status="failed",
        error="no route",
        retryable=False,
        fencing_token=started["fencing_token"],
    )
    assert marked["status"] == "failed"
    (line,) = (await agent.call("list_steps", workspace="job", status="failed"))["steps"]
    assert (line["error"], line["retryable"]) == ("no route", False)
    loaded = await agent.call("load_checkpoint", workspace="job")
    assert (loaded["status"], loaded["failed"]) == ("failed", ["mail"])


async def test_a_null_result_is_a_result_and_none_is_none(agent) -> None:
    for step, result in (("null", {"result": None}), ("none", {})):
        started = await agent.call("start_step", workspace="job", step=step)
        token = started["fencing_token"]
        await agent.call(
            "mark_step_done", workspace="job", step=step, fencing_token=token, **result
        )
    null, none = (await agent.call("list_steps", workspace="job"))["steps"]
    assert null["result"] is None
    assert "result" not in none


async def test_a_large_result_is_measured_in_the_list_and_whole_when_skipped(agent) -> None:
    started = await agent.call("start_step", workspace="job", step="fetch")
    token = started["fencing_token"]
    result = ["x" * 1000] * 10
    await agent.call(
        "mark_step_done", workspace="job", step="fetch", result=result, fencing_token=token
    )
    (line,) = (await agent.call("list_steps", workspace="job"))["steps"]
    assert "result" not in line
    assert line["result_bytes"] > 10_000
    assert (await agent.call("start_step", workspace="job", step="fetch"))["result"] == result


async def test_steps_sent_as_json_text_are_the_steps(agent) -> None:
    text = '["one", {"name": "two", "after": ["one"]}]'
    assert (await agent.call("plan_steps", workspace="w", steps=text))["added"] == ["one", "two"]


async def test_ten_thousand_steps_make_small_replies(agent_on) -> None:
    names = [f"step-{number:05}-{'n' * 150}" for number in range(10_000)]
    async with Store.open("memory://") as store, agent_on(store) as agent:
        await agent.call("plan_steps", workspace="big", steps=names, goal="g" * 4000)
        assert agent.last_bytes < 8000
        await agent.call(
            "save_checkpoint",
            workspace="big",
            state={f"k{n}": "x" * 500 for n in range(100)},
            summary="s" * 4000,
            next_action="a" * 4000,
        )
        for name in names[:50]:
            await agent.call("start_step", workspace="big", step=name)
        loaded = await agent.call("load_checkpoint", workspace="big")
        assert agent.last_bytes <= 8000
        assert loaded["progress"] == {"total": 10_000, "running": 50, "pending": 9950}
        assert loaded["omitted"]["pending"] + len(loaded["pending"]) == 9950
        assert loaded["omitted"]["in_flight"] + len(loaded["in_flight"]) == 50
        await agent.call("list_steps", workspace="big", limit=500)
        assert agent.last_bytes <= 30_000
