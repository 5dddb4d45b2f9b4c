"""No state, result, key or token is ever in a log line, a metric, a span or an error."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client, MCPError
from prometheus_client.parser import text_string_to_metric_families
from tests.server.watched import Watched

from safepoint import Store, __version__
from safepoint.format.keys import log_key
from safepoint_server.settings import TOOLSETS
from safepoint_server.tools import specs

pytestmark = pytest.mark.anyio

MARK = "Zq7Xk9Vw"
"""In every value that a client stores, twice: what is cut short still holds it."""
KEY_MARK = "Jd4Rb6Tn"
"""In the keys of states, which an answer may name to whoever sent them, but nothing else."""
SECRETS = (MARK, KEY_MARK)
PASSPHRASE = f"{MARK} several random words {MARK}"
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "observability.md").read_text("utf-8")
OPTIONS = ("--log", "debug", "--toolsets", ",".join(TOOLSETS))
ENVIRON = {"SAFEPOINT_PASSPHRASE": PASSPHRASE, "SAFEPOINT_MAX_STATE_BYTES": "4KiB"}


def secret(what: str) -> str:
    return f"{MARK} {what} {MARK}"


STATE = {"k": secret("value"), f"{KEY_MARK}": {"deep": [secret("deep value"), 1]}}
DEEP = json.loads("[" * 140 + "]" * 140)
FORM = {"type": "object", "properties": {"city": {"type": "string"}}}
ASK = {
    "workspace": "w",
    "name": "ask",
    "question": secret("question"),
    "subject": {"s": secret("subject")},
    "details": secret("details"),
    "answer_schema": FORM,
}
NOTES = {"workspace": "w", "name": "notes.txt", "text": secret("artifact")}
WELL: list[tuple[str, dict[str, Any]]] = [
    (
        "save_checkpoint",
        {
            "workspace": "w",
            "state": STATE,
            "summary": secret("summary"),
            "next_action": secret("next"),
            "label": "first",
            "references": [f"/nowhere/{MARK}"],
            "request_id": "an id",
        },
    ),
    ("plan_steps", {"workspace": "w", "steps": ["a", "b"], "goal": secret("goal")}),
    ("start_step", {"workspace": "w", "step": "a", "input": secret("input")}),
    (
        "mark_step_done",
        {
            "workspace": "w",
            "step": "a",
            "fencing_token": 3,
            "result": {"r": secret("result")},
            "state": {"password": secret("password")},
            "merge": True,
        },
    ),
    ("request_approval", ASK),
    ("save_artifact", NOTES),
    ("load_artifact", {"workspace": "w", "name": "notes.txt"}),
    ("load_checkpoint", {"workspace": "w"}),
    ("load_checkpoint", {"workspace": "w", "version": 1, "select": "k"}),
    ("list_steps", {"workspace": "w"}),
    ("list_workspaces", {}),
    ("compare_checkpoints", {"workspace": "w", "old": 1}),
    ("fork_workspace", {"workspace": "w", "new_name": "forked", "reason": secret("reason")}),
    ("rewind_workspace", {"workspace": "w", "version": 1, "reason": secret("reason")}),
    ("start_new_run", {"workspace": "w", "carry": ["k"], "reason": secret("reason")}),
    ("start_step", {"workspace": "w", "step": "b", "input": secret("input")}),
    ("plan_steps", {"workspace": "w", "steps": ["a"]}),
    ("mark_step_done", {"workspace": "w", "step": "a", "status": "skipped", "result": MARK}),
    ("request_approval", ASK),
    ("save_artifact", NOTES),
]
REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "a wrong value": ("save_checkpoint", {"workspace": "w", "kind": secret("kind")}),
    "a wrong type": ("load_checkpoint", {"workspace": "w", "version": secret("version")}),
    "no object to merge": ("save_checkpoint", {"workspace": "w", "state": MARK, "merge": True}),
    "too deep a state": ("save_checkpoint", {"workspace": "w", "state": {KEY_MARK: DEEP}}),
    "an expression that is none": ("load_checkpoint", {"workspace": "w", "select": f"[{MARK}"}),
    "a label that is not there": ("load_checkpoint", {"workspace": "w", "label": "none"}),
    "a version conflict": (
        "save_checkpoint",
        {"workspace": "w", "state": STATE, "expected_version": 1},
    ),
    "a request id used again": (
        "save_checkpoint",
        {"workspace": "w", "state": MARK, "request_id": "an id"},
    ),
    "another input": ("start_step", {"workspace": "w", "step": "b", "input": secret("other")}),
    "another result": ("mark_step_done", {"workspace": "w", "step": "a", "result": MARK}),
    "a stale token": (
        "mark_step_done",
        {"workspace": "w", "step": "b", "fencing_token": 1, "result": MARK},
    ),
    "a form that is none": (
        "request_approval",
        {**ASK, "name": "other", "answer_schema": {"type": secret("type")}},
    ),
    "too large a state": ("save_checkpoint", {"workspace": "w", "state": [MARK] * 1000}),
    "too large a summary": ("save_checkpoint", {"workspace": "w", "summary": MARK * 1000}),
    "bytes that are none": ("save_artifact", {"workspace": "w", "name": "x", "base64": f"{MARK}!"}),
    "a path that is not allowed": (
        "save_artifact",
        {"workspace": "w", "name": "x", "path": "/etc"},
    ),
    "a damaged record": ("load_checkpoint", {"workspace": "damaged"}),
    "a crash": ("list_checkpoints", {"workspace": "w"}),
}


CODES = {
    *("invalid_arguments", "too_deep", "invalid_select", "label_not_found", "version_conflict"),
    *("request_reused", "input_changed", "already_recorded", "stale_token", "bad_schema"),
    *("limit_exceeded", "path_not_allowed", "not_authentic", "internal"),
}
"""What the refused calls are told, each met at least once."""


@pytest.fixture
async def damaged(tmp_path: Path) -> Path:
    """A store with a workspace whose newest record was altered."""
    folder = tmp_path / "store"
    async with Store.open(folder, passphrase=PASSPHRASE) as store:
        await store.workspace("damaged").save(STATE)
        await store.workspace("damaged").save(STATE)
    record = folder / log_key("damaged", 2)
    record.write_bytes(record.read_bytes()[:-1] + b"\0")
    return folder


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_no_log_line_metric_span_or_error_holds_what_was_stored(
    transport: str, damaged: Path
) -> None:
    watched = Watched(damaged.parent, transport, *OPTIONS, CRASH=MARK, **ENVIRON)
    async with watched.serving() as client:
        errors = await everything(client)
        if watched.url:
            await odd_requests(watched.url)
            metrics = await watched.scrape(f"?token={MARK}", Authorization=f"Bearer {MARK}")
            assert found(metrics) == []
            assert unknown_words(metrics) == set()
    codes = set(re.findall(r"\[([a-z_]+)\]", errors))
    assert codes == CODES
    assert MARK not in errors
    assert "RuntimeError at " in watched.log
    assert {line["outcome"] for line in watched.lines()} == {"ok", *CODES}
    assert found(watched.log) == []
    assert found(watched.spans) == []
    documented = set(re.findall(r"`([\w.]+)`", PAGE))
    documented |= {f"safepoint.store{name}" for name in documented if name.startswith(".")}
    fields = {field for line in watched.lines() for field in line}
    assert fields <= documented
    spans = [span for span in watched.traced() if span["name"].startswith("safepoint.")]
    assert {"safepoint.commit", "safepoint.store.put"} <= {span["name"] for span in spans}
    assert {span["name"] for span in spans} <= documented
    assert {name for span in spans for name in span["attributes"]} <= documented


async def everything(client: Client) -> str:
    """Call every tool, well and in every way in which it fails; the errors."""
    called = {"list_checkpoints"}  # that is the one with the bug, below
    errors = []
    for tool, arguments in WELL:
        result = await client.call_tool(tool, arguments)
        assert not result.is_error, (tool, result.content[0].text)
        called.add(tool)
    assert called == {spec.name for spec in specs(TOOLSETS)}
    for tool, arguments in REFUSED.values():
        result = await client.call_tool(tool, arguments)
        assert result.is_error, (tool, arguments)
        errors.append(result.content[0].text)
    for name in ("damaged", "w"):  # to read the second is the next bug
        uri = f"safepoint://workspaces/{name}/artifacts/notes.txt"
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)
        errors.append(str(refused.value))
    with pytest.raises(MCPError) as refused:  # and that the last
        await client.list_resource_templates()
    errors.append(str(refused.value))
    await client.read_resource("safepoint://workspaces/w/checkpoints/1")
    await client.get_prompt("resume-work", {"workspace": "w"})
    with pytest.raises(MCPError) as refused:
        await client.get_prompt("resume-work", {"workspace": "w", "other": MARK})
    errors.append(str(refused.value))
    return "\n".join(errors)


async def odd_requests(url: str) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {MARK}"}) as client:
        for address in (url, f"{url}?key={MARK}", f"{url}/{MARK}"):
            reply = await client.post(address, content=b'{"jsonrpc":"2.0","%s' % MARK.encode())
            assert reply.status_code >= 400
            assert MARK not in reply.text


def found(text: str) -> list[str]:
    """Where a secret stands in it, as it is or in a usual disguise."""
    disguises = [
        disguise
        for mark in SECRETS
        for disguise in (
            mark,
            mark.encode().hex(),
            *(base64.b64encode(b"x" * skip + mark.encode())[4:-4].decode() for skip in range(3)),
        )
    ]
    return [line for line in text.splitlines() if any(word in line for word in disguises)]


def unknown_words(metrics: str) -> set[str]:
    """Label values that do not stand in the sources of this program."""
    program = "".join(path.read_text("utf-8") for path in ROOT.glob("s*/safepoint*/**/*.py"))
    words = set(re.findall(r'"([a-z_]+)"', program)) | {__version__}
    return {
        value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        for label, value in sample.labels.items()
        if label != "le"
    } - words


async def test_what_is_no_message_is_neither_logged_nor_sent_back(
    raw_server, tmp_path: Path
) -> None:
    async with raw_server("--log", "debug") as server:
        for line in (
            b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","a":"%s"',
            b'{"jsonrpc":"2.0","id":1,"method":["%s"]}',
            b'{"jsonrpc":"2.0","id":1,"params":"%s"}',
            b'{"id":1,"method":"tools/call","a":"\\ud800 %s"}',
        ):
            await server.line(line.replace(b"%s", MARK.encode()))
            assert MARK not in json.dumps(await server.reply())
    assert found((tmp_path / "stderr").read_text()) == []


async def test_a_key_that_does_not_open_the_store_is_not_told(damaged: Path) -> None:
    environ = {**os.environ, **ENVIRON, "SAFEPOINT_PASSPHRASE": secret("another")}
    command = [sys.executable, "-m", "safepoint_server", "serve", "--store", str(damaged)]
    refused = subprocess.run(
        command, env=environ, input="", capture_output=True, text=True, check=False
    )
    assert refused.returncode == 6
    assert "error: " in refused.stderr
    assert found(refused.stdout + refused.stderr) == []


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_log_and_trace_tell_of_a_call_by_the_same_ids(transport: str, tmp_path: Path) -> None:
    watched = Watched(tmp_path, transport)
    async with watched.serving() as client:
        await client.call_tool("save_checkpoint", {"workspace": "w", "state": 1})
        await client.call_tool("load_checkpoint", {"workspace": "none"})
    saved, loaded = watched.lines()
    assert (saved["actor"], saved["transport"]) == ("spy 1", transport)
    assert saved["call"] != loaded["call"]
    spans = {span["context"]["span_id"]: span for span in watched.traced()}
    puts = [s for s in spans.values() if s["name"] == "safepoint.store.put" and s["parent_id"]]
    names, span = [], puts[-1]
    while span is not None:
        names.append(span["name"])
        assert span["context"]["trace_id"] == f"0x{saved['trace']}"
        top, span = span, spans.get(span["parent_id"])
    assert names == ["safepoint.store.put", "safepoint.commit", "tools/call save_checkpoint"]
    assert top["attributes"]["jsonrpc.request.id"] == saved["request"]
    assert top["attributes"]["safepoint.outcome"] == "ok"
    (refused,) = [s for s in spans.values() if s["name"] == "tools/call load_checkpoint"]
    assert refused["context"]["trace_id"] == f"0x{loaded['trace']}"
    assert refused["attributes"]["safepoint.outcome"] == "workspace_not_found"
