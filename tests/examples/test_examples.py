"""Every program in examples/ runs, and what it asserts holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
RUN = (
    "resume.py",
    "resume_mcp.py",
    "langgraph_agent.py",
    "openai_agents_session.py",
    "durable_agent.py",
    "temporal_activity.py",
    "dagster_io_manager.py",
)


@pytest.mark.parametrize("name", RUN)
def test_the_example_runs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"done once" in done.stdout.replace(b"\n", b" ")


def test_the_main_job_is_the_demonstration() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "killed_agent.py"), "--help"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert b"safepoint demo" in done.stdout


def test_no_example_is_left_out() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*RUN, "killed_agent.py"}
