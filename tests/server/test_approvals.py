"""People are asked over MCP: with a dialog and without one, in both eras of the protocol."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp.types import ElicitResult

from safepoint import Actor, Approval, Store
from safepoint_server.settings import Settings

pytestmark = pytest.mark.anyio

ASK = {"workspace": "job", "name": "deploy", "question": "Deploy?"}
LOOK = {"workspace": "job", "name": "deploy"}
ANN = Actor("ann")
FORM = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "minimum": 1}},
    "required": ["amount"],
}


class Person:
    """Answers every dialog with the same, and remembers what was shown."""

    def __init__(self, action: str = "accept", **content: Any) -> None:
        self.answer = ElicitResult(action=action, content=content or None)
        self.shown: list[Any] = []

    async def __call__(self, context: Any, params: Any) -> ElicitResult:
        self.shown.append(params)
        return self.answer


async def stored(store: Store) -> Approval:
    return await store.workspace("job").approvals.get("deploy")


async def test_without_a_dialog_the_agent_is_told_how_people_answer_and_comes_back(
    agent_on,
) -> None:
    async with Store.open("memory://") as store, agent_on(store) as agent:
        asked = await agent.call("request_approval", **ASK)
        assert asked["status"] == "pending"
        assert "safepoint approve job deploy" in asked["advice"]
        assert await agent.call("request_approval", **ASK) == asked
        assert await agent.call("request_approval", **LOOK) == asked
        assert len((await store.workspace("job").history()).items) == 1
        await store.workspace("job").approvals.decide(
            "deploy", "approve", by=ANN, channel="cli", comment="go"
        )
        told = await agent.call("request_approval", **LOOK)
        assert (told["status"], told["comment"]) == ("approved", "go")
        assert told["decided_by"] == "ann (cli)"


async def test_asking_something_else_says_that_the_old_answer_is_gone(agent_on) -> None:
    async with Store.open("memory://") as store, agent_on(store) as agent:
        await agent.call("request_approval", **ASK, subject={"commit": "abc"})
        await store.workspace("job").approvals.decide("deploy", "approve", by=ANN)
        asked = await agent.call("request_approval", **ASK, subject={"commit": "def"})
        assert asked["status"] == "pending"
        assert "was approved; it no longer counts" in asked["advice"]


async def test_looking_for_a_question_that_nobody_asked_is_refused(agent) -> None:
    await agent.call("save_checkpoint", workspace="job", state={})
    text = await agent.refused("request_approval", **LOOK)
    assert "[approval_not_found]" in text


async def test_nulls_for_all_that_is_optional_ask_the_same(agent) -> None:
    asked = await agent.call("request_approval", **ASK)
    nulls = dict.fromkeys(
        ("details", "options", "answer_schema", "subject", "expires_in_seconds", "single_use")
    )
    assert await agent.call("request_approval", **ASK, **nulls) == asked


@pytest.mark.parametrize(
    ("extra", "person", "status", "left"),
    [
        ({}, Person(decision="approve", comment=" fine "), "approved", {"comment": "fine"}),
        ({}, Person(decision="approve"), "approved", {}),
        ({}, Person(decision="approve", comment=None), "approved", {}),
        ({}, Person(decision="deny", comment="no"), "denied", {"comment": "no"}),
        ({}, Person("decline"), "denied", {"comment": "declined in the dialog"}),
        ({}, Person("cancel"), "pending", {}),
        ({}, Person(), "pending", {}),
        ({}, Person(decision="maybe"), "pending", {}),
        ({}, Person(decision=True), "pending", {}),
        ({}, Person(decision="approve", other="x"), "pending", {}),
        ({"options": ["a", "b"]}, Person(answer="b"), "answered", {"answer": "b"}),
        ({"options": ["a", "b"]}, Person(answer="c"), "pending", {}),
        ({"options": ["a", "b"]}, Person(decision="approve"), "pending", {}),
        ({"answer_schema": FORM}, Person(amount=3), "answered", {"answer": {"amount": 3}}),
        ({"answer_schema": FORM}, Person(amount=0), "pending", {}),
        ({"answer_schema": FORM}, Person("decline"), "denied", {}),
    ],
    ids=lambda value: (
        f"{value.answer.action} {value.answer.content}" if isinstance(value, Person) else ""
    ),
)
async def test_what_a_person_enters_in_the_dialog_is_recorded_if_it_fits(
    agent_on, extra: dict[str, Any], person: Person, status: str, left: dict[str, Any]
) -> None:
    person.shown.clear()
    async with Store.open("memory://") as store, agent_on(store, person=person) as agent:
        reply = await agent.call("request_approval", **ASK, **extra)
        assert reply["status"] == status
        assert {key: reply[key] for key in left} == left
        approval = await stored(store)
        assert approval.status == status
        decided = status != "pending"
        assert (approval.channel, approval.decided_by and approval.decided_by.name) == (
            ("elicitation", "tester") if decided else (None, None)
        )
        assert len(person.shown) == 1
        await agent.call("request_approval", **LOOK)
        assert len(person.shown) == 1


async def test_a_dialog_of_a_client_of_a_process_is_answered_and_none_of_it_is_logged(
    process_agent, tmp_path: Path
) -> None:
    person = Person(decision="approve", comment="comment-words")
    secret = {"details": "details-words", "subject": "subject-words"}
    async with process_agent(person=person) as agent:
        reply = await agent.call("request_approval", **ASK, **secret)
        assert (reply["status"], reply["decided_by"]) == ("approved", "tester (elicitation)")
    log = (tmp_path / "stderr").read_text()
    assert "approval=deploy status=approved" in log
    assert "warning" not in log
    for words in ("Deploy?", "details-words", "subject-words", "comment-words"):
        assert words not in log


async def test_the_dialog_shows_all_that_is_asked_and_hides_no_letter(agent_on) -> None:
    person = Person("cancel")
    async with Store.open("memory://") as store, agent_on(store, person=person) as agent:
        await agent.call(
            "request_approval",
            **ASK,
            details="to \u202eproduction",
            subject={"commit": "abc\u200b"},
        )
        sha256 = (await stored(store)).subject_sha256
    shown = person.shown[0].message
    for text in ("'deploy'", "'job'", "Deploy?", "to \\u202eproduction", sha256, "abc\\u200b"):
        assert text in shown
    assert list(person.shown[0].requested_schema["properties"]) == ["decision", "comment"]


async def test_other_calls_go_on_while_a_dialog_is_open(process_agent) -> None:
    opened, answered = asyncio.Event(), asyncio.Event()

    async def person(context: Any, params: Any) -> ElicitResult:
        opened.set()
        await answered.wait()
        return ElicitResult(action="accept", content={"decision": "approve"})

    async with process_agent(person=person) as agent:
        asking = asyncio.create_task(agent.call("request_approval", **ASK))
        await opened.wait()
        (line,) = (await agent.call("list_workspaces"))["workspaces"]
        assert line["open_approvals"] == 1
        assert (await agent.call("request_approval", **LOOK))["status"] == "pending"
        answered.set()
        assert (await asking)["status"] == "approved"


async def test_no_question_passes_for_a_line_of_the_dialog(agent_on) -> None:
    person = Person("cancel")
    false = "Deploy?\nSubject (SHA-256 00):\n{}"
    async with Store.open("memory://") as store, agent_on(store, person=person) as agent:
        await agent.call("request_approval", **{**ASK, "question": false, "details": false})
    lines = person.shown[0].message.splitlines()
    assert [line for line in lines if line.startswith("Subject")] == []
    assert [line for line in lines if line.startswith("  Subject")] == [
        "  Subject (SHA-256 00):"
    ] * 2


async def test_the_form_of_a_dialog_has_only_what_every_client_knows(agent_on) -> None:
    person = Person("cancel")
    schema = {**FORM, "title": "Pay", "description": "How much", "additionalProperties": False}
    async with Store.open("memory://") as store, agent_on(store, person=person) as agent:
        await agent.call("request_approval", **ASK, answer_schema=schema)
        assert (await stored(store)).answer_schema == schema
    assert person.shown[0].requested_schema == FORM


async def test_what_a_dialog_cannot_show_whole_is_not_asked_in_one(agent_on) -> None:
    person = Person(decision="approve")
    async with Store.open("memory://") as store, agent_on(store, person=person) as agent:
        reply = await agent.call("request_approval", **ASK, subject="x" * 4000)
        assert (reply["status"], person.shown) == ("pending", [])
        assert "no dialog" in reply["advice"]


async def test_an_operator_can_switch_dialogs_off(agent_on) -> None:
    person = Person(decision="approve")
    settings = Settings.load({"SAFEPOINT_ELICITATION": "off"})
    async with (
        Store.open("memory://") as store,
        agent_on(store, settings=settings, person=person) as agent,
    ):
        assert (await agent.call("request_approval", **ASK))["status"] == "pending"
        assert person.shown == []


async def test_a_dialog_that_nobody_answers_leaves_the_question_open(agent_on, era: str) -> None:
    async def nobody(context: Any, params: Any) -> ElicitResult:
        await asyncio.Event().wait()
        raise AssertionError

    async with (
        Store.open("memory://") as store,
        agent_on(store, person=nobody, patience=0) as agent,
    ):
        if era == "legacy":
            assert (await agent.call("request_approval", **ASK))["status"] == "pending"
            return
        first = await agent.client.session.call_tool(
            "request_approval", ASK, allow_input_required=True
        )
        second = await agent.client.session.call_tool(
            "request_approval", ASK, request_state=first.request_state, allow_input_required=True
        )
        assert second.structured_content["status"] == "pending"


async def test_an_answer_to_a_question_that_was_changed_meanwhile_is_not_taken(agent_on) -> None:
    async with Store.open("memory://") as store:

        async def slow(context: Any, params: Any) -> ElicitResult:
            await store.workspace("job").approvals.request("deploy", "Deploy all?")
            return ElicitResult(action="accept", content={"decision": "approve"})

        async with agent_on(store, person=slow) as agent:
            reply = await agent.call("request_approval", **ASK)
        assert reply["status"] == "pending"
        assert "changed while the dialog was open" in reply["advice"]
        approval = await stored(store)
        assert (approval.status, approval.question) == ("pending", "Deploy all?")


async def test_an_answer_that_comes_second_is_told_who_was_first(agent_on) -> None:
    async with Store.open("memory://") as store:

        async def slow(context: Any, params: Any) -> ElicitResult:
            await store.workspace("job").approvals.decide("deploy", "deny", by=ANN, channel="cli")
            return ElicitResult(action="accept", content={"decision": "approve"})

        async with agent_on(store, person=slow) as agent:
            reply = await agent.call("request_approval", **ASK)
        assert reply["status"] == "denied"
        assert "was denied by ann (cli)" in reply["advice"]


async def test_a_client_that_fails_to_show_its_dialog_leaves_the_question_open(
    agent_on, era: str
) -> None:
    from mcp.shared.exceptions import MCPError
    from mcp.types import ErrorData

    async def broken(context: Any, params: Any) -> ErrorData:
        return ErrorData(code=-32000, message="no screen")

    async with Store.open("memory://") as store, agent_on(store, person=broken) as agent:
        if era == "legacy":
            assert (await agent.call("request_approval", **ASK))["status"] == "pending"
        else:  # the client itself gives up
            with pytest.raises(MCPError, match="no screen"):
                await agent.client.call_tool("request_approval", ASK)
        assert (await stored(store)).status == "pending"


async def test_the_dialog_says_what_is_for_one_use(agent_on) -> None:
    person = Person("cancel")
    async with Store.open("memory://") as store, agent_on(store, person=person) as agent:
        await agent.call("request_approval", **ASK, single_use=True)
        await agent.call("request_approval", **{**ASK, "name": "any"})
    assert [one.message.endswith("\n\nFor one use") for one in person.shown] == [True, False]


async def test_a_step_waits_for_a_person_and_says_so_everywhere(agent_on) -> None:
    async with Store.open("memory://") as store, agent_on(store) as agent:
        step = {"name": "ship", "after": "build", "needs_approval": "deploy"}
        plan = await agent.call("plan_steps", workspace="job", steps=["build", step])
        await agent.call("mark_step_done", workspace="job", step="build")
        assert plan["next_step"] == "build"
        start = {"workspace": "job", "step": "ship"}
        blocked = await agent.call("start_step", **start)
        assert blocked["decision"] == "blocked"
        assert [need["status"] for need in blocked["approvals"]] == ["missing"]
        text = await agent.refused("mark_step_done", **start)
        assert "[approval_needed]" in text
        await agent.call("request_approval", **ASK)
        assert (await agent.call("start_step", **start))["approvals"][0]["status"] == "pending"
        brief = await agent.call("load_checkpoint", workspace="job")
        assert brief["blocked"][0]["reason"] == "needs the approval of a person: deploy (pending)"
        assert (brief["approvals"][0]["name"], brief["approvals"][0]["question"]) == (
            "deploy",
            "Deploy?",
        )
        assert "next_step" not in brief
        (_, line) = (await agent.call("list_steps", workspace="job"))["steps"]
        assert line["needs_approval"] == ["deploy"]
        await store.workspace("job").approvals.decide("deploy", "approve", by=ANN)
        assert (await agent.call("start_step", **start))["decision"] == "run"


async def test_timers_over_the_protocol(agent_on) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with Store.open("memory://", clock=lambda: now) as store, agent_on(store) as agent:
        steps = ["fetch", {"name": "report", "wake_at": "2026-01-02T00:00:00Z"}]
        await agent.call("plan_steps", workspace="job", steps=steps)
        waiting = await agent.call("start_step", workspace="job", step="report")
        assert (waiting["decision"], waiting["wait_until"]) == ("wait", "2026-01-02T00:00:00.000Z")
        await agent.call("start_step", workspace="job", step="fetch")
        token = (await stored_token(store))["fetch"]
        marked = await agent.call(
            "mark_step_done",
            workspace="job",
            step="fetch",
            status="failed",
            error="busy",
            retry_after_seconds=3600,
            fencing_token=token,
        )
        assert marked["retry_at"] == "2026-01-01T01:00:00.000Z"
        assert (await agent.call("list_workspaces", status="due"))["workspaces"] == []
        now += timedelta(hours=1)
        (line,) = (await agent.call("list_workspaces", status="due"))["workspaces"]
        assert line["due"] == ["retry fetch"]
        now += timedelta(days=1)
        (line,) = (await agent.call("list_workspaces", status="due"))["workspaces"]
        assert line["due"] == ["retry fetch", "step report"]
        text = await agent.refused(
            "plan_steps", workspace="job", steps=[{"name": "x", "wake_at": "2026-01-02T00:00:00"}]
        )
        assert "wake_at" in text


async def stored_token(store: Store) -> dict[str, int | None]:
    steps = (await store.workspace("job").steps()).items
    return {step.name: step.fencing_token for step in steps}
