"""One line per call on stderr: names, numbers and codes, and nothing that a client stored."""

from __future__ import annotations

import json
import logging
import re

import pytest
from mcp import Client
from mcp.server.mcpserver import Context

from safepoint import Store
from safepoint_server.access import Access, OneStore
from safepoint_server.app import create_server
from safepoint_server.logs import JsonFormatter, TextFormatter
from safepoint_server.settings import Settings
from safepoint_server.tools import load
from safepoint_server.visible import VisibleStore

pytestmark = pytest.mark.anyio

SECRET = "SECRET-9f2c"


async def calls_with_secrets(server) -> None:
    """Saves, results and failures that hold a secret wherever a client may put data."""
    secret = json.dumps(SECRET).encode()
    good = [
        ("save_checkpoint", b'{"workspace":"w","state":{"k":%s},"summary":%s,"next_action":%s}'),
        ("plan_steps", b'{"workspace":"w","steps":["a","b"],"goal":%s}'),
        ("start_step", b'{"workspace":"w","step":"a","input":%s}'),
        ("mark_step_done", b'{"workspace":"w","step":"a","fencing_token":3,"result":%s}'),
        ("load_checkpoint", b'{"workspace":"w"}'),
    ]
    bad = [
        ("save_checkpoint", b'{"workspace":"w","state":%s,"merge":true}'),
        ("save_checkpoint", b'{"workspace":"w","state":[%s,NaN]}'),
        ("save_checkpoint", b'{"workspace":"w","kind":%s}'),
        ("save_checkpoint", b'{"workspace":"w","state":{%s:"\\ud800"}}'),
        ("load_checkpoint", b'{"workspace":"w","select":%s}'),
        ("load_checkpoint", b'{"workspace":"w","version":%s}'),
        ("mark_step_done", b'{"workspace":"w","step":"a","result":{"other":%s}}'),
        ("start_step", b'{"workspace":"w","step":"a","input":[%s]}'),
    ]
    for tool, arguments in good:
        reply = await server.call(tool, arguments.replace(b"%s", secret))
        assert reply["result"]["isError"] is False, reply
    for tool, arguments in bad:
        await server.call(tool, arguments.replace(b"%s", secret))
    for method, params in (
        ("resources/read", b'{"uri":"safepoint://workspaces/w"}'),
        ("resources/read", b'{"uri":"safepoint://workspaces/w/steps/SECRET-9f2c"}'),
        ("prompts/get", b'{"name":"hand-over","arguments":{"workspace":"w","to":%s}}'),
        ("prompts/get", b'{"name":"hand-over","arguments":{"workspace":"w","x":%s}}'),
        ("prompts/get", b'{"name":%s}'),
        (
            "completion/complete",
            b'{"ref":{"type":"ref/prompt","name":"hand-over"},'
            b'"argument":{"name":"workspace","value":%s}}',
        ),
    ):
        await server.request(method, params.replace(b"%s", secret))


@pytest.mark.parametrize("level", ["debug", "info"])
async def test_no_line_holds_what_a_client_stored(raw_server, tmp_path, level: str) -> None:
    async with raw_server("--log", level) as server:
        await calls_with_secrets(server)
    text = (tmp_path / "stderr").read_text()
    assert SECRET not in text
    assert " info save outcome=ok workspace=w version=1 " in text


async def test_json_lines_name_workspace_version_size_time_and_caller(raw_server, tmp_path) -> None:
    async with raw_server("--log-format", "json") as server:
        await calls_with_secrets(server)
    lines = [json.loads(line) for line in (tmp_path / "stderr").read_text().splitlines()]
    assert lines[0]["event"] == "serving"
    calls = [line for line in lines if "outcome" in line]
    assert [line["event"] for line in calls[:5]] == ["save", "plan", "start", "mark", "load"]
    save, _, start, mark, loaded = calls[:5]
    assert re.fullmatch(r"20.*Z", save["time"])
    assert save["level"] == "info"
    assert (save["outcome"], save["workspace"], save["version"]) == ("ok", "w", 1)
    assert save["bytes"] == len(json.dumps({"k": SECRET}, separators=(",", ":")))
    assert save["stored"] > 0
    assert save["ms"] > 0
    assert save["actor"] == "raw 1"
    assert (start["step"], start["decision"]) == ("a", "run")
    assert (mark["step"], mark["status"], mark["version"]) == ("a", "done", 4)
    assert loaded["version"] == 4
    failed = [line["outcome"] for line in calls[5:]]
    assert failed[0] == "invalid_arguments"
    rest = [(line["event"], line["outcome"], line["actor"]) for line in calls[-6:]]
    assert rest == [
        ("read_resource", "ok", "raw 1"),
        ("read_resource", "step_not_found", "raw 1"),
        ("prompt", "ok", "raw 1"),
        ("prompt", "invalid_arguments", "raw 1"),
        ("prompt", "unknown_prompt", "raw 1"),
        ("complete", "ok", "raw 1"),
    ]
    assert {line["level"] for line in calls[5:] if line["outcome"] != "ok"} == {"warning"}


async def test_a_line_tells_one_call_from_all_others_and_whose_credentials_it_came_with(
    caplog,
) -> None:
    class Named(OneStore):
        async def admit(self, context: Context) -> Access:
            return Access(VisibleStore(self.store), principal="alice", by="token")

    async with Store.open("memory://") as store:
        server = create_server(Named(store), store, Settings.load({}), transport="http")
        with caplog.at_level(logging.INFO, "safepoint_server"):
            for _ in range(2):  # two clients count their requests alike
                async with Client(server) as client:
                    await client.call_tool("list_workspaces", {})
    one, other = [record.safepoint for record in caplog.records if record.msg == "list_workspaces"]
    assert (one["principal"], one["transport"], one["outcome"]) == ("alice", "http/token", "ok")
    assert one["request"] == other["request"]
    assert re.fullmatch(r"[0-9a-f]{16}", one["call"])
    assert one["call"] != other["call"]
    assert "trace" not in one


async def test_a_level_of_error_is_quiet(raw_server, tmp_path) -> None:
    async with raw_server("--log", "error") as server:
        await calls_with_secrets(server)
    assert (tmp_path / "stderr").read_text() == ""


async def test_an_unexpected_failure_is_logged_by_an_id_and_hidden(
    agent_on, monkeypatch, caplog
) -> None:
    def fail(value: object) -> None:
        raise RuntimeError(f"broken by {SECRET}")

    monkeypatch.setattr(load, "brief_reply", fail)
    async with Store.open("memory://") as store, agent_on(store) as agent:
        await agent.call("save_checkpoint", workspace="w", state=1)
        text = await agent.refused("load_checkpoint", workspace="w")
        incident = re.search(r"incident ([0-9a-f]{8})", text)
        assert incident is not None
        assert text.endswith("[internal]")
        assert SECRET not in text
        await agent.call("list_workspaces")
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    for formatter in (TextFormatter(), JsonFormatter()):
        line = formatter.format(record)
        assert incident[1] in line
        assert "RuntimeError at " in line
        assert "test_logs.py" in line
        assert SECRET not in line


def test_text_lines_are_one_line_whatever_the_names_hold() -> None:
    record = logging.LogRecord("safepoint_server", logging.INFO, "", 0, "save", None, None)
    record.safepoint = {"workspace": "two words", "actor": 'a"b\n', "version": 7}
    line = TextFormatter().format(record)
    assert "\n" not in line
    assert line.endswith(' info save workspace="two words" actor="a\\"b\\n" version=7')
