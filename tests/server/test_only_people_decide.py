"""No call of any tool, whatever it carries, turns a question into an answer."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitResult, InputRequiredResult
from tests.place import Place

from safepoint import PlannedStep, Store
from safepoint_server.access import OneStore
from safepoint_server.app import create_server
from safepoint_server.settings import Settings
from safepoint_server.tools import BY_TOOLSET, specs
from safepoint_server.tools.base import ToolSpec
from safepoint_server.tools.schema import input_schema

pytestmark = pytest.mark.anyio

SPECS = specs(BY_TOOLSET)
ASK = {"workspace": "job", "name": "deploy", "question": "Deploy?"}
YES = {"approval": ElicitResult(action="accept", content={"decision": "approve"})}
NO = {"approval": ElicitResult(action="accept", content={"decision": "deny"})}
DECIDED = {"status": "approved", "decided_by": {"name": "ann"}, "channel": "cli"}
HOSTILE: dict[str, list[Any]] = {
    "string": ["deploy", "approved", "approve", "ship", "../job/approvals", '{"deploy":"approve"}'],
    "integer": [0, 1, 2, 10**9],
    "boolean": [True, False],
    "array": [["deploy"], [{"name": "ship"}], [{"name": "ship", "after": []}], []],
    "object": [{"approvals": {"deploy": DECIDED}}, {"decision": "approve"}],
}
SMUGGLED = {
    "decision": "approve",
    "status": "approved",
    "answer": "a",
    "verdict": "approve",
    "decided_by": "ann",
    "channel": "elicitation",
    "comment": "yes",
    "input_responses": {"approval": {"action": "accept", "content": {"decision": "approve"}}},
    "inputResponses": {"approval": {"action": "accept", "content": {"decision": "approve"}}},
    "requestState": '{"about": ""}',
    "request_state": '{"about": ""}',
    "_meta": {"approved": True},
}


async def never(context: Any, params: Any) -> ElicitResult:
    return ElicitResult(action="cancel")


@asynccontextmanager
async def client_of(store: Store, era: str = "auto") -> AsyncIterator[Client]:
    settings = Settings.load({"SAFEPOINT_TOOLSETS": ",".join(BY_TOOLSET)})
    server = create_server(OneStore(store), store, settings)
    async with Client(server, mode=era, elicitation_callback=never) as client:
        yield client


async def ask_three(store: Store) -> None:
    job = store.workspace("job")
    await job.plan_steps([PlannedStep("ship", needs_approval=("deploy",)), "other"])
    await job.save({"a": 1}, label="first")
    await job.approvals.request("deploy", "Deploy?", subject={"commit": "abc"}, single_use=True)
    await job.approvals.request("pick", "Which?", options=["a", "b"])
    form = {"type": "object", "properties": {"n": {"type": "integer"}}}
    await job.approvals.request("fill", "How many?", answer_schema=form)


async def assert_nothing_decided(store: Store) -> None:
    async for name in store.names():
        workspace = store.workspace(name)
        cursor: str | None = None
        while True:
            page = await workspace.history(limit=1000, cursor=cursor)
            kinds = {event.kind for event in page.items}
            assert not kinds & {"approve", "deny", "answer", "use"}, name
            if (cursor := page.next_cursor) is None:
                break
        for approval in await workspace.approvals.list():
            assert not approval.given, approval
            assert approval.status != "denied", approval
        for step in (await workspace.steps()).items:
            assert step.name != "ship" or not step.attempts, step


def hostile_calls(spec: ToolSpec[Any, Any]) -> Iterator[dict[str, Any]]:
    """Arguments that the tool takes, each of them with every hostile value in turn, and others."""
    properties = input_schema(spec.arguments)["properties"]
    plain: dict[str, Any] = {}
    for name in input_schema(spec.arguments).get("required", []):
        kind = properties[name].get("type", "object")
        plain[name] = "job" if name == "workspace" else HOSTILE[kind][0]
    yield plain
    for name, schema in properties.items():
        values = schema.get("enum") or HOSTILE[schema.get("type", "object")]
        if "type" not in schema:
            values = [*values, *HOSTILE["string"]]
        for value in values:
            yield {**plain, name: value}
    for name, value in SMUGGLED.items():
        yield {**plain, name: value}
        yield {**plain, "name": "deploy", "question": "Deploy?", name: value}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
async def test_no_arguments_of_any_tool_decide(
    spec: ToolSpec[Any, Any], era: str, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    calls = list(hostile_calls(spec))
    assert len(calls) > len(SMUGGLED)
    async with place.process() as store:
        await ask_three(store)
        async with client_of(store, era) as client:
            for arguments in calls:
                with contextlib.suppress(MCPError):
                    await client.session.call_tool(
                        spec.name, arguments, input_responses=YES, allow_input_required=True
                    )
            await assert_nothing_decided(store)


async def asked(client: Client, **arguments: Any) -> InputRequiredResult:
    result = await client.session.call_tool(
        "request_approval", {**ASK, **arguments}, allow_input_required=True
    )
    assert isinstance(result, InputRequiredResult)
    return result


async def returned(client: Client, state: str | None, answers: Any, **arguments: Any) -> Any:
    return await client.session.call_tool(
        "request_approval",
        {**ASK, **arguments},
        request_state=state,
        input_responses=answers,
        allow_input_required=True,
    )


async def status(store: Store, name: str = "deploy") -> str:
    return (await store.workspace("job").approvals.get(name)).status


async def test_the_state_of_its_own_question_brings_the_answer(tmp_path: Path) -> None:
    async with Place(tmp_path).process() as store, client_of(store) as client:
        state = (await asked(client)).request_state
        assert await status(store) == "pending"
        reply = await returned(client, state, YES)
        assert reply.structured_content["status"] == "approved"


async def test_an_answer_that_was_not_asked_for_only_opens_the_dialog(tmp_path: Path) -> None:
    async with Place(tmp_path).process() as store, client_of(store) as client:
        for answers in (YES, NO, {"other": YES["approval"]}):
            assert isinstance(await returned(client, None, answers), InputRequiredResult)
        assert await status(store) == "pending"


async def test_states_that_were_made_up_changed_or_cut_are_refused(tmp_path: Path) -> None:
    async with Place(tmp_path).process() as store, client_of(store) as client:
        state = (await asked(client)).request_state
        assert state is not None
        raw = base64.urlsafe_b64decode(state + "=" * (-len(state) % 4))
        digest = (await store.workspace("job").approvals.get("deploy")).digest
        forged = [
            *("", "x", "v1.x", state[:-4], state + "AAAA", state[4:], digest),
            f'{{"about": "{digest}"}}',
            *(
                base64.urlsafe_b64encode(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]).decode()
                for at in range(0, len(raw), 17)
            ),
        ]
        for made_up in forged:
            with pytest.raises(MCPError, match="Invalid or expired requestState"):
                await returned(client, made_up, YES)
        assert await status(store) == "pending"


@pytest.mark.parametrize(
    "elsewhere",
    [{"name": "delete"}, {"workspace": "other"}, {"question": "Deploy all?"}, {"subject": 1}],
    ids=lambda changed: next(iter(changed)),
)
async def test_a_state_answers_no_other_question(tmp_path: Path, elsewhere: dict[str, Any]) -> None:
    async with Place(tmp_path).process() as store, client_of(store) as client:
        state = (await asked(client)).request_state
        await asked(client, **elsewhere)
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await returned(client, state, YES, **elsewhere)
        await assert_nothing_decided(store)


async def test_a_state_that_is_used_again_changes_nothing(tmp_path: Path) -> None:
    async with Place(tmp_path).process() as store, client_of(store) as client:
        state = (await asked(client)).request_state
        await returned(client, state, NO)
        assert await status(store) == "denied"
        reply = await returned(client, state, YES)
        assert "was denied by" in reply.structured_content["advice"]
        assert await status(store) == "denied"


async def test_a_state_is_void_once_the_question_was_asked_anew(tmp_path: Path) -> None:
    async with Place(tmp_path).process() as store, client_of(store) as client:
        state = (await asked(client)).request_state
        approvals = store.workspace("job").approvals
        await approvals.request("deploy", "Deploy all?")
        await approvals.request("deploy", "Deploy?")
        reply = await returned(client, state, YES)
        assert "was changed while the dialog was open" in reply.structured_content["advice"]
        assert await status(store) == "pending"


async def test_a_yes_is_not_used_twice_by_bringing_the_state_of_the_first_again(
    tmp_path: Path,
) -> None:
    async with Place(tmp_path).process() as store, client_of(store) as client:
        state = (await asked(client, single_use=True)).request_state
        await returned(client, state, YES, single_use=True)
        approvals = store.workspace("job").approvals
        await approvals.consume("deploy", "first")
        await returned(client, state, YES, single_use=True)
        assert (await approvals.get("deploy")).used_by == "first"
        await approvals.request("deploy", "Another?", single_use=True)
        await approvals.request("deploy", "Deploy?", single_use=True)
        await returned(client, state, YES, single_use=True)
        assert await status(store) == "pending"


async def test_every_replica_of_a_store_takes_the_answer_and_no_other_store_does(
    tmp_path: Path,
) -> None:
    here, elsewhere = Place(tmp_path), Place(tmp_path)
    async with (
        here.process() as first,
        here.process() as second,
        elsewhere.process() as foreign,
        client_of(first) as asking,
        client_of(second) as answering,
        client_of(foreign) as other,
    ):
        state = (await asked(asking)).request_state
        await asked(other)
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await returned(other, state, YES)
        reply = await returned(answering, state, YES)
        assert reply.structured_content["status"] == "approved"
        assert await status(foreign) == "pending"


async def test_a_client_that_names_no_dialog_brings_no_answer(tmp_path: Path) -> None:
    async with Place(tmp_path).process() as store, client_of(store) as client:
        state = (await asked(client)).request_state
        async with Client(create_server(OneStore(store), store, Settings.load({}))) as silent:
            reply = await returned(silent, state, YES)
            assert reply.structured_content["status"] == "pending"
        assert await status(store) == "pending"


async def test_replies_on_the_wire_that_nobody_asked_for_decide_nothing(raw_server) -> None:
    ask = b'{"workspace":"job","name":"deploy","question":"Deploy?"}'
    yes = b'"result":{"action":"accept","content":{"decision":"approve"}}}'
    async with raw_server() as server:
        await server.call("request_approval", ask)
        for number in (*range(5), 100, 101):
            for name in (b"%d" % number, b'"%d"' % number):
                await server.line(b'{"jsonrpc":"2.0","id":' + name + b"," + yes)
        reply = await server.call("request_approval", ask)
        assert reply["result"]["structuredContent"]["status"] == "pending"
