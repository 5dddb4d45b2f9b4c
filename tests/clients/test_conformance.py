"""The official conformance suite of MCP, against the server over HTTP, in both eras."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
from tests.clients.agents import AUTO, HANG, LEGACY, Target
from tests.clients.node import package_script

PASSED = {
    AUTO: {
        "caching": 8,
        "dns-rebinding-protection": 2,
        "http-header-validation": 14,
        "prompts-list": 2,
        "resources-list": 2,
        "sep-2164-resource-not-found": 4,
        "server-sse-multiple-streams": 1,
        "server-stateless": 26,
        "tools-list": 4,
    },
    LEGACY: {
        "dns-rebinding-protection": 2,
        "ping": 2,
        "prompts-list": 2,
        "resources-list": 2,
        "server-initialize": 2,
        "tools-list": 3,
    },
}
"""How many checks of each scenario succeed. None fails, but for `FIXTURE_CHECKS`."""

FIXTURE_CHECKS = [
    "sep-2575-missing-capability-http-400",
    "sep-2575-server-rejects-undeclared-capability",
]
"""Checks of these scenarios that fail without a tool of the suite's own."""

NEEDS = {
    "completion-complete": "a prompt of the suite's own: others are refused, as they should be",
    "elicitation-": "tools of the suite's own",
    "http-custom-header-server-validation": "a tool whose arguments are mirrored in headers",
    "input-required-result-": "tools and prompts of the suite's own",
    "json-schema-2020-12": "a tool of the suite's own",
    "logging-set-level": "logging over MCP, which is deprecated; the server logs to stderr",
    "prompts-get-": "prompts of the suite's own",
    "resources-read-": "resources of the suite's own",
    "resources-subscribe": "a session, which this server does not keep over HTTP",
    "resources-templates-read": "a template of the suite's own",
    "resources-unsubscribe": "a session, which this server does not keep over HTTP",
    "server-session-lifecycle": "a session, which this server does not keep over HTTP",
    "server-sse-multiple-streams": "before 2026-07-28, a session",
    "server-sse-polling": "a tool of the suite's own",
    "tasks-": "the extension for tasks, which this server does not have",
    "tools-call-": "tools of the suite's own",
}
"""What the scenarios whose names begin like this need, and do not find."""


@pytest.mark.parametrize("revision", [AUTO, LEGACY])
def test_the_server_passes_what_the_suite_checks_without_fixtures(
    http: Target, revision: str, tmp_path: Path
) -> None:
    found = by_status(http, revision, tmp_path)
    expected = PASSED[revision]
    others = found.keys() - expected.keys()
    assert [name for name in others if not name.startswith(tuple(NEEDS))] == []
    assert {name: len(found[name]["SUCCESS"]) for name in expected} == expected
    failed = sorted(check for name in expected for check in found[name]["FAILURE"])
    assert failed == (FIXTURE_CHECKS if revision == AUTO else [])


def by_status(target: Target, revision: str, folder: Path) -> dict[str, dict[str, list[str]]]:
    """Run all that the suite requires of a revision: for each scenario the checks by status."""
    options = ("--url", str(target.url), "--requirements", revision, "--output-dir", str(folder))
    command, environ = package_script("@modelcontextprotocol/conformance", "server", *options)
    subprocess.run(command, env=environ, capture_output=True, timeout=HANG, check=False)
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in folder.glob("server-*/checks.json"):
        scenario = re.sub(r"^server-(.*)-\d{4}-\d\d-\d\dT[\d-]+Z$", r"\1", file.parent.name)
        for check in json.loads(file.read_text()):
            found[scenario][check["status"]].append(check["id"])
    return found
