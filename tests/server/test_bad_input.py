"""Whatever a client sends: a clear answer, the server lives on, the store is unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from safepoint import Store
from safepoint_server.settings import Settings
from safepoint_server.tools import specs

pytestmark = pytest.mark.anyio

MIB = 1 << 20
ASK = {"workspace": "w", "name": "a", "question": "May I?"}
TOOLS = {
    "save_checkpoint": {"workspace": "w", "state": {"a": 2}},
    "load_checkpoint": {"workspace": "w"},
    "plan_steps": {"workspace": "w", "steps": ["x"]},
    "start_step": {"workspace": "w", "step": "x"},
    "mark_step_done": {"workspace": "w", "step": "x"},
    "request_approval": ASK,
    "list_steps": {"workspace": "w"},
    "list_checkpoints": {"workspace": "w"},
    "list_workspaces": {},
}
NAMES = [
    "",
    " ",
    "../x",
    "..",
    "a/b",
    "a\\b",
    "a\0b",
    "con",
    "NUL.txt",
    "n" * 201,
    ".x",
    " a",
    "a\n",
]
DEEP = json.loads("[" * 150 + "]" * 150)
STEP = {"name": "a", "after": ["b"]}
BAD: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"name {name[:9]!r}": ("plan_steps", {"workspace": name, "steps": []}) for name in NAMES},
    **{f"load {name[:9]!r}": ("load_checkpoint", {"workspace": name}) for name in NAMES},
    **{
        f"step {name[:9]!r}": ("start_step", {"workspace": "w", "step": name})
        for name in ["", " ", "a\0b", "n" * 201, "a\n", "a\x1b[31m"]
    },
    "no workspace": ("save_checkpoint", {}),
    "null workspace": ("save_checkpoint", {"workspace": None}),
    "number for a name": ("save_checkpoint", {"workspace": 7, "state": 1}),
    "object for a name": ("load_checkpoint", {"workspace": {"SECRET": 1}}),
    "text for a number": ("load_checkpoint", {"workspace": "w", "version": "SECRET"}),
    "fraction for a number": ("load_checkpoint", {"workspace": "w", "version": 1.5}),
    "zero version": ("load_checkpoint", {"workspace": "w", "version": 0}),
    "version and label": ("load_checkpoint", {"workspace": "w", "version": 1, "label": "a"}),
    "small max_bytes": ("load_checkpoint", {"workspace": "w", "max_bytes": 999}),
    "large max_bytes": ("load_checkpoint", {"workspace": "w", "max_bytes": 1_000_001}),
    "no kind": ("save_checkpoint", {"workspace": "w", "kind": "SECRET"}),
    "list for text": ("save_checkpoint", {"workspace": "w", "label": ["SECRET"]}),
    "NUL in a label": ("save_checkpoint", {"workspace": "w", "label": "a\0"}),
    "long label": ("save_checkpoint", {"workspace": "w", "label": "l" * 201}),
    "long summary": ("save_checkpoint", {"workspace": "w", "summary": "s" * 5000}),
    "long request id": ("save_checkpoint", {"workspace": "w", "request_id": "r" * 201}),
    "bad step of a save": ("save_checkpoint", {"workspace": "w", "step": "a\0"}),
    "10 MB name": ("load_checkpoint", {"workspace": "n" * 10 * MIB}),
    "10 MB step": ("start_step", {"workspace": "w", "step": "s" * 10 * MIB}),
    "10 MB summary": ("save_checkpoint", {"workspace": "w", "summary": "s" * 10 * MIB}),
    "10 MB cursor": ("list_workspaces", {"cursor": "c" * 10 * MIB, "limit": 0}),
    "10 MB select": ("load_checkpoint", {"workspace": "w", "select": "x" * 10 * MIB}),
    "10 MB argument name": ("load_checkpoint", {"workspace": "w", "x" * 10 * MIB: 1}),
    "10 MB result": (
        "mark_step_done",
        {"workspace": "w", "step": "x", "status": "skipped", "result": "r" * 10 * MIB},
    ),
    "state over the limit": ("save_checkpoint", {"workspace": "w", "state": "x" * 17 * MIB}),
    "wide number": ("save_checkpoint", {"workspace": "w", "state": {"n": 10**4100}}),
    "deep state": ("save_checkpoint", {"workspace": "w", "state": DEEP}),
    "no steps": ("plan_steps", {"workspace": "w"}),
    "text for steps": ("plan_steps", {"workspace": "w", "steps": "SECRET"}),
    "unknown field of a step": ("plan_steps", {"workspace": "w", "steps": [{**STEP, "nr": 1}]}),
    "nameless step": ("plan_steps", {"workspace": "w", "steps": [{"title": "a"}]}),
    "steps in a circle": (
        "plan_steps",
        {"workspace": "w", "steps": [STEP, {"name": "b", "after": ["a"]}]},
    ),
    "step after nothing": ("plan_steps", {"workspace": "w", "steps": [STEP]}),
    "too many steps": ("plan_steps", {"workspace": "w", "steps": [f"s{n}" for n in range(10_001)]}),
    "no lease": ("start_step", {"workspace": "w", "step": "a", "lease_seconds": 0}),
    "long lease": ("start_step", {"workspace": "w", "step": "a", "lease_seconds": 10**15}),
    "unknown status": ("mark_step_done", {"workspace": "w", "step": "a", "status": "SECRET"}),
    "unknown step": ("mark_step_done", {"workspace": "w", "step": "never planned"}),
    "empty question": ("request_approval", {**ASK, "question": " "}),
    "options that are one": ("request_approval", {**ASK, "options": ["SECRET", "SECRET"]}),
    "nested form": ("request_approval", {**ASK, "answer_schema": {"type": "SECRET"}}),
    "no time to answer": ("request_approval", {**ASK, "expires_in_seconds": 0}),
    "years to answer": ("request_approval", {**ASK, "expires_in_seconds": 10**15}),
    "huge subject": ("request_approval", {**ASK, "subject": "SECRET" * 50_000}),
    "unknown approval": ("request_approval", {"workspace": "w", "name": "never asked"}),
    "time without a zone": (
        "plan_steps",
        {"workspace": "w", "steps": [{"name": "b", "wake_at": "2030-01-01T00:00:00"}]},
    ),
    "retry in an age": (
        "mark_step_done",
        {"workspace": "w", "step": "a", "status": "failed", "retry_after_seconds": 10**15},
    ),
    "negative limit": ("list_steps", {"workspace": "w", "limit": -1}),
    "large limit": ("list_workspaces", {"limit": 10**9}),
    **{
        f"unknown argument of {tool}": (tool, {**arguments, "expected_versoin": "SECRET"})
        for tool, arguments in TOOLS.items()
    },
}  # fmt: skip


async def everything(store: Store) -> dict[str, bytes | None]:
    keys = [
        *await store.objects.list("safepoint/"),
        *await store.objects.list("workspaces/", limit=100_000),
    ]
    return {key: await store.objects.get(key) for key in keys}


def check_refusal(text: str) -> None:
    assert "SECRET" not in text
    assert "Next: " in text
    assert text.endswith("]")
    assert "[internal]" not in text
    assert len(text) < 2500
    assert "pydantic" not in text


async def test_bad_input_is_refused_clearly_and_changes_nothing(agent_on, place) -> None:
    async with Store.open(place) as store, agent_on(store) as agent:
        await agent.call("save_checkpoint", workspace="w", state={"a": 1}, label="a")
        before = await everything(store)
        assert len(before) >= 3
        for case, (tool, arguments) in BAD.items():
            try:
                check_refusal(await agent.refused(tool, **arguments))
            except AssertionError as error:
                raise AssertionError(case) from error
        assert await everything(store) == before
        assert (await agent.call("load_checkpoint", workspace="w"))["state"] == {"a": 1}


@pytest.mark.parametrize("tool", TOOLS)
async def test_an_unknown_argument_is_refused_by_name(agent, tool: str) -> None:
    arguments = {**TOOLS[tool], "limits": 3} if "list" in tool else {**TOOLS[tool], "workspac": 3}
    text = await agent.refused(tool, **arguments)
    name, close = ("limits", "limit") if "list" in tool else ("workspac", "workspace")
    assert f"{tool} has no argument '{name}', and nothing was done" in text
    assert f"Did you mean '{close}'?" in text


async def test_an_unknown_argument_rather_means_one_that_is_missing(agent_on) -> None:
    settings = Settings.load({"SAFEPOINT_TOOLSETS": "core,history"})
    async with Store.open("memory://") as store, agent_on(store, settings=settings) as agent:
        text = await agent.refused("fork_workspace", workspace="w", new_workspace="v")
    assert "Did you mean 'new_name'?" in text


async def test_null_means_not_given_for_what_is_optional(agent) -> None:
    arguments = dict.fromkeys(
        ["label", "summary", "next_action", "step", "expected_version", "request_id", "kind"]
    )
    saved = await agent.call("save_checkpoint", workspace="w", state={}, merge=None, **arguments)
    assert saved["version"] == 1


async def test_values_python_has_and_json_has_not_are_refused(agent_on) -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep, deep] if isinstance(deep, int) else [deep]
    async with Store.open("memory://") as store, agent_on(store) as agent:
        text = await agent.refused("save_checkpoint", workspace="w", state=deep, lable="x")
        assert "'label'" in text
        await agent.call("save_checkpoint", workspace="w", state=deep)


async def test_ten_megabytes_of_state_are_saved_and_outlined(agent) -> None:
    state = {"text": "x" * 10 * MIB}
    saved = await agent.call("save_checkpoint", workspace="w", state=state)
    assert saved["state_bytes"] > 10 * MIB
    loaded = await agent.call("load_checkpoint", workspace="w")
    assert loaded["state_outline"] == {"text": f"string of {10 * MIB} characters"}


def levels(number: int) -> bytes:
    return b'{"workspace":"w","state":' + b"[" * number + b"]" * number + b"}"


RAW: dict[str, tuple[str, bytes]] = {
    "NaN": ("save_checkpoint", b'{"workspace":"w","state":{"a":NaN}}'),
    "Infinity": ("save_checkpoint", b'{"workspace":"w","state":{"a":[-Infinity]}}'),
    "huge number": ("save_checkpoint", b'{"workspace":"w","state":1e999}'),
    "wide number": ("save_checkpoint", b'{"workspace":"w","state":' + b"9" * 5000 + b"}"),
    "NaN as a version": ("load_checkpoint", b'{"workspace":"w","version":NaN}'),
    "half a pair in the state": ("save_checkpoint", b'{"workspace":"w","state":{"a":"\\ud800"}}'),
    "half a pair in a key": ("save_checkpoint", b'{"workspace":"w","state":{"\\udc00":1}}'),
    "half a pair in a name": ("save_checkpoint", b'{"workspace":"\\ud800","state":1}'),
    "half a pair in a label": ("save_checkpoint", b'{"workspace":"w","label":"\\ud800x"}'),
    "invalid UTF-8": ("save_checkpoint", b'{"workspace":"w","state":"\xff\xfe"}'),
    "encoded surrogate": ("save_checkpoint", b'{"workspace":"w","state":"\xed\xa0\x80"}'),
    "raw control character": ("save_checkpoint", b'{"workspace":"w\x01","state":1}'),
    "not JSON": ("save_checkpoint", b'{"workspace":"w",}'),
    "140 levels": ("save_checkpoint", levels(140)),
    "195 levels": ("save_checkpoint", levels(190)),
    "200 levels": ("save_checkpoint", levels(200)),
    "100,000 levels": (
        "save_checkpoint",
        b'{"workspace":"w","state":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    ),
    "a list of arguments": ("save_checkpoint", b'["w"]'),
    "an empty list of arguments": ("save_checkpoint", b"[]"),
    "text for arguments": ("save_checkpoint", b'"w"'),
    "a number for arguments": ("save_checkpoint", b"7"),
    "25 MB": ("save_checkpoint", b'{"workspace":"w","state":"' + b"x" * 25 * MIB + b'"}'),
    "two keys of one name": ("load_checkpoint", b'{"workspace":"w","workspace":7}'),
}  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    """What is stored, but for what is written behind saves at a time of its own."""
    behind = {"summary", "index.html", "lock"}
    found = (path for path in folder.rglob("*") if path.is_file() and path.name not in behind)
    return {str(path): path.read_bytes() for path in found}


async def test_bad_input_over_stdio_is_answered_and_changes_nothing(raw_server, tmp_path) -> None:
    cases = {
        **{case: (tool, json.dumps(given).encode()) for case, (tool, given) in BAD.items()},
        **RAW,
    }
    async with raw_server() as server:
        await server.call("save_checkpoint", b'{"workspace":"w","state":{"a":1},"label":"a"}')
        before = files(tmp_path / "store")
        for case, (tool, arguments) in cases.items():
            reply = await server.call(tool, arguments)
            result = reply.get("result")
            assert result, (case, reply)
            assert result["isError"] is True, case
            (content,) = result["content"]
            assert "SECRET" not in content["text"], case
            assert content["text"].endswith("]"), case
            assert "[internal]" not in content["text"], case
        assert files(tmp_path / "store") == before
        loaded = await server.call("load_checkpoint", b'{"workspace":"w"}')
        assert loaded["result"]["structuredContent"]["state"] == {"a": 1}
    assert "SECRET" not in (tmp_path / "stderr").read_text()


LINES = [b"hello", b"{", b"[]", b"null", b"\xff\xfe", b'{"jsonrpc":"2.0"}', b"[" * 5000, b"x" * 100]


async def test_lines_that_are_no_requests_are_answered_and_skipped(raw_server) -> None:
    async with raw_server() as server:
        for line in LINES:
            await server.line(line)
            reply = await server.reply()
            assert reply["id"] is None
            assert reply["error"]["code"] in (-32700, -32600)
        await server.line(b"")
        await server.line(b"   \r")
        await server.line(b'{"jsonrpc":"2.0","method":"notifications/unknown"}')
        await server.line(b'{"jsonrpc":"2.0","id":999,"result":{}}')
        reply = await server.request("tools/list")
        assert len(reply["result"]["tools"]) == len(specs(["core"]))


async def test_requests_the_server_does_not_know_are_answered(raw_server) -> None:
    async with raw_server() as server:
        assert (await server.request("no/such"))["error"]["code"] == -32601
        assert "error" in await server.request("tools/call", b'{"name":7}')
        reply = await server.call("no_such_tool", b"{}")
        assert reply["result"]["isError"] is True


async def test_the_request_limit_is_a_setting(raw_server) -> None:
    async with raw_server(SAFEPOINT_MAX_REQUEST_BYTES="100000") as server:
        state = b'{"workspace":"w","state":"' + b"x" * 100_000 + b'"}'
        reply = await server.call("save_checkpoint", state)
        text = reply["result"]["content"][0]["text"]
        assert "reads at most 100000 (SAFEPOINT_MAX_REQUEST_BYTES)" in text
        small = await server.call("save_checkpoint", b'{"workspace":"w","state":"x"}')
        assert small["result"]["isError"] is False
