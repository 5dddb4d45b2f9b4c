"""docs/clients.md names the clients that are tested, with the versions that are installed."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
DOCS = (HERE.parents[1] / "docs" / "clients.md").read_text("utf-8")


def test_packages_of_node_are_pinned_and_documented() -> None:
    packages = json.loads((HERE / "package.json").read_text("utf-8"))
    pinned = packages["dependencies"]
    for version in (*pinned.values(), *packages["optionalDependencies"].values()):
        assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", version)
    for name, version in pinned.items():
        assert f"`{name}` {version}" in DOCS


def test_clients_of_python_are_documented() -> None:
    for name in ("fastmcp-slim", "mcp", "openai-agents"):
        assert f"`{name}` {metadata.version(name)}" in DOCS
