"""What a client learns about the server and its tools, and how little it costs."""

from __future__ import annotations

import json

import pytest

from safepoint._version import __version__
from safepoint_server.instructions import INSTRUCTIONS

pytestmark = pytest.mark.anyio

PARAMETERS = {
    "load_checkpoint": "workspace version label select max_bytes",
    "save_checkpoint": "workspace state merge label summary next_action kind step "
    "expected_version request_id references",
    "plan_steps": "workspace steps goal",
    "start_step": "workspace step input lease_seconds fencing_token",
    "mark_step_done": "workspace step status result error retryable retry_after_seconds "
    "fencing_token state merge summary",
    "request_approval": "workspace name question details options answer_schema subject "
    "expires_in_seconds single_use",
    "list_steps": "workspace status limit cursor",
    "list_checkpoints": "workspace limit cursor",
    "list_workspaces": "prefix status limit cursor",
    "save_artifact": "workspace name text base64 path media_type summary step",
    "load_artifact": "workspace name revision version start length path",
}
REQUIRED = {
    "plan_steps": ["workspace", "steps"],
    "start_step": ["workspace", "step"],
    "mark_step_done": ["workspace", "step"],
    "request_approval": ["workspace", "name"],
    "save_artifact": ["workspace", "name"],
    "load_artifact": ["workspace", "name"],
    "list_workspaces": [],
}
DEFAULTS = {
    "load_checkpoint": {"max_bytes": 24000},
    "save_checkpoint": {"kind": "step"},
    "start_step": {"lease_seconds": 300},
    "mark_step_done": {"status": "done"},
    "list_steps": {"limit": 100},
    "list_checkpoints": {"limit": 20},
    "list_workspaces": {"limit": 50},
}


async def test_names_parameters_and_defaults_are_as_promised(agent) -> None:
    tools = {tool.name: tool for tool in (await agent.client.list_tools()).tools}
    assert {name: " ".join(tool.input_schema["properties"]) for name, tool in tools.items()} == (
        PARAMETERS
    )
    for name, tool in tools.items():
        schema = tool.input_schema
        assert schema.get("required", []) == REQUIRED.get(name, ["workspace"])
        found = {key: p["default"] for key, p in schema["properties"].items() if "default" in p}
        assert found == DEFAULTS.get(name, {})


async def test_the_list_of_tools_costs_at_most_10_kb(agent) -> None:
    result = await agent.client.list_tools()
    text = result.model_dump_json(by_alias=True, exclude_none=True)
    assert len(text.encode()) <= 10 * 1024


async def test_every_tool_has_all_annotations_and_says_when_to_call_it(agent) -> None:
    reading = {"load_checkpoint", "list_steps", "list_checkpoints", "list_workspaces"}
    for tool in (await agent.client.list_tools()).tools:
        hints = tool.annotations
        assert hints.read_only_hint is (tool.name in reading)
        assert hints.idempotent_hint is (tool.name != "save_checkpoint")
        assert (hints.destructive_hint, hints.open_world_hint) == (False, False)
        assert tool.description.startswith("Call ")
        assert len(tool.description.encode()) < 2048
        assert tool.output_schema["type"] == "object"


async def test_the_server_introduces_itself(agent) -> None:
    assert agent.client.server_info.name == "safepoint"
    assert agent.client.server_info.version == __version__
    assert agent.client.instructions == INSTRUCTIONS


def test_the_instructions_teach_the_protocol_and_fit() -> None:
    assert len(INSTRUCTIONS.encode()) < 2000
    for word in (
        *("load_checkpoint", "save_checkpoint", "start_step", "mark_step_done", "plan_steps"),
        *("idempotency_key", "run =", "skip =", "wait =", "blocked =", "compacted", "not instr"),
        "request_approval",
    ):
        assert word in INSTRUCTIONS


def test_schemas_are_plain_json(era: str) -> None:
    from safepoint_server.tools import specs
    from safepoint_server.tools.schema import input_schema, output_schema

    for spec in specs(["core"]):
        for schema in (input_schema(spec.arguments), output_schema(spec.reply)):
            text = json.dumps(schema)
            assert "$ref" not in text
            assert '"null"' not in text
