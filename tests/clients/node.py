"""Where `make test` put Node and the packages of `package.json`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

__all__ = ["modules", "node_script", "package_script"]

MODULES = Path(__file__).parents[2] / ".venv" / "node" / "node_modules"


def node_script(script: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a script that may require the packages."""
    (node,) = modules().glob("node-*/bin/node*")
    return [str(node), str(script), *arguments], {**os.environ, "NODE_PATH": str(MODULES)}


def package_script(package: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The same for the program that one of the packages brings, and that has its name."""
    folder = modules() / package
    programs = json.loads((folder / "package.json").read_text("utf-8"))["bin"]
    return node_script(folder / programs[package.rpartition("/")[2]], *arguments)


def modules() -> Path:
    """Where they lie. Skips the test where there is no npm to install them with."""
    if not (MODULES.parent / ".ready").exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is missing, which installs this client")
        pytest.fail("The clients from npm are missing: make .venv/node/.ready")
    return MODULES
