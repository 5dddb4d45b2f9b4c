"""Where `make test` put Node and the packages of `package.json`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

__all__ = ["node_script", "package_script"]

MODULES = Path(__file__).parents[2] / ".venv" / "node" / "node_modules"


def node_script(script: Path, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a script that may require the packages."""
    (node,) = _modules().glob("node-*/bin/node*")
    return [str(node), str(script), *arguments], {**os.environ, "NODE_PATH": str(MODULES)}


def package_script(name: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """The same for a program that one of the packages brings."""
    return node_script((_modules() / ".bin" / name).resolve(), *arguments)


def _modules() -> Path:
    """Skips the test where there is no npm to install them with."""
    if not MODULES.is_dir():
        if shutil.which("npm") is None:
            pytest.skip("npm is missing, which installs the clients written for Node")
        pytest.fail("The clients written for Node are missing: make .venv/node/.ready")
    return MODULES
