"""The MCP Inspector finds no error in what the server offers, strictly, on both transports."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from tests.clients.agents import HANG, Target
from tests.clients.node import package_script

ANY_JSON = {"answer_schema", "input", "references.items", "result", "state", "subject"}
"""What may hold any JSON, of which the Inspector warns."""


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector_has_no_error_to_report(target: Target, era: str) -> None:
    asked = ["--method", "tools/list", "--strict", "--format", "json", "--protocol-era", era]
    where = [target.url] if target.url else target.command
    command, environ = package_script("@modelcontextprotocol/inspector", "--cli", *where, *asked)
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=HANG, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["result"]["tools"]) == 15
    assert re.search(r"^0 errors, \d+ warnings across", done.stderr, re.MULTILINE)
    warned = re.findall(r"^ +Path: inputSchema\.properties\.(.*)$", done.stderr, re.MULTILINE)
    assert set(warned) == ANY_JSON
    assert done.stderr.count("  Issue: ") == len(warned)
