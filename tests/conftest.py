"""What every test relies on: asyncio, an order, no settings of the machine, counts to raise.

`SAFEPOINT_CAMPAIGN` is a factor for the counts of random tests (default 1), which `make campaign`
raises.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures"]

TESTS = Path(__file__).parent
LONGEST = (
    "examples/test_examples.py",
    "verify/test_repair.py",
    "test_packaging.py",
    "test_bench.py",
    "examples/test_demo.py",
    "integrations/openai_agents/test_processes.py",
    "server/test_stdio.py",
    "clients/test_clients.py",
    "s3/test_proxy.py",
    "s3/test_demo.py",
    "s3/test_replicas.py",
    "test_life.py",
    "server/test_bad_input.py",
    "test_history.py",
    "s3/test_many_writers.py",
    "test_delete.py",
    "objects/test_s3_streams.py",
    "integrations/durable/test_kills.py",
    "s3/test_cli.py",
    "hooks/test_processes.py",
    "verify/test_verify.py",
    "test_artifacts.py",
    "objects/test_streams.py",
    "test_soak.py",
    "objects/test_processes.py",
    "test_rotation_processes.py",
    "server/test_http.py",
    "setup/test_claude_code.py",
)
"""The files that take longest, in that order, which run first: the last to end would run alone."""

CAMPAIGN = max(1, int(os.environ.get("SAFEPOINT_CAMPAIGN") or "1"))

settings.register_profile(
    "safepoint",
    max_examples=100 * CAMPAIGN,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("safepoint")

for _name in [name for name in os.environ if name.startswith("SAFEPOINT_")]:
    if _name != "SAFEPOINT_CAMPAIGN":
        del os.environ[_name]

# As those of an installed program, the sources are compiled once, not by each process of a test.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Key files, memories and default stores of tests go to a home of their own, for subprocesses too.
_home = tempfile.mkdtemp(prefix="safepoint-tests-")
for _name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HOME", "USERPROFILE"):
    os.environ[_name] = _home


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {TESTS / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


def pytest_unconfigure() -> None:
    shutil.rmtree(_home, ignore_errors=True)


@pytest.fixture(scope="session")
def campaign() -> int:
    """The factor by which to multiply the count of a random test."""
    return CAMPAIGN


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
