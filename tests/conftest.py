"""What every test relies on: asyncio, none of the machine's own settings, counts to raise.

`SAFEPOINT_CAMPAIGN` is a factor for the counts of random tests (default 1), which `make campaign`
raises.
"""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.fixtures"]

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

# Key files, memories and default stores of tests go to a home of their own, for subprocesses too.
_home = tempfile.mkdtemp(prefix="safepoint-tests-")
for _name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "HOME", "USERPROFILE"):
    os.environ[_name] = _home


def pytest_unconfigure() -> None:
    shutil.rmtree(_home, ignore_errors=True)


@pytest.fixture(scope="session")
def campaign() -> int:
    """The factor by which to multiply the count of a random test."""
    return CAMPAIGN


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
