"""Sessions and interrupted runs that go from one process to the next, and the people in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from safepoint import Store
from safepoint.integrations.openai_agents import SafepointSession
from safepoint.keyfile import make_key_file

pytestmark = pytest.mark.anyio

WORKER = str(Path(__file__).with_name("worker.py"))


@dataclass(frozen=True)
class Office:
    """A store, its key, a folder that is the world outside, and who works there."""

    url: str
    folder: Path

    @property
    def key_file(self) -> Path:
        return self.folder / "key"

    def begin(self, what: str) -> subprocess.Popen[str]:
        command = [sys.executable, WORKER, what, self.url, str(self.key_file), str(self.folder)]
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def work(self, what: str) -> str:
        with self.begin(what) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return out.splitlines()[-1]

    def person(self, *argv: str) -> Any:
        """What a person gets who types `safepoint …`."""
        place = ["--store", self.url, "--key-file", str(self.key_file), "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "safepoint_server.cli", *argv, *place],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def office(tmp_path: Path) -> Office:
    made = Office(str(tmp_path / "store"), tmp_path)
    make_key_file(made.key_file, random=os.urandom)
    return made


def test_a_conversation_goes_on_where_a_killed_process_was(office: Office) -> None:
    (office.folder / "dies").touch()
    with office.begin("talk") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready to die\n"
        process.kill()
    (office.folder / "dies").unlink()
    assert office.work("talk").startswith("noted once")
    assert office.lines("notes") == ["first"]


async def test_two_processes_pop_each_item_once(office: Office) -> None:
    items: list[Any] = [{"role": "user", "content": str(n)} for n in range(60)]
    async with Store.open(office.url, key_file=office.key_file) as store:
        await SafepointSession("chat", store).add_items(items)
    found: list[Any] = []
    both = [office.begin("pop") for _ in range(2)]
    for process in both:
        with process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        found += json.loads(out)
    assert sorted(found, key=lambda item: int(item["content"])) == items


def test_a_person_approves_between_two_processes_and_the_tool_runs_once(office: Office) -> None:
    assert json.loads(office.work("ask")) == ["call_7"]
    assert office.lines("paid") == []
    assert office.work("resume") == "approvals_pending"
    question = office.person("inbox")["approvals"][0]
    assert (question["workspace"], question["name"]) == ("desk", "call_7")
    office.person("approve", "desk", "call_7", "--digest", question["digest"])
    assert office.work("resume") == "paid 7"
    assert office.work("resume") == "run_state_taken"
    assert office.lines("paid") == ["paid 7"]


def test_a_person_denies_between_two_processes_and_the_tool_never_runs(office: Office) -> None:
    office.work("ask")
    digest = office.person("inbox")["approvals"][0]["digest"]
    office.person("deny", "desk", "call_7", "--digest", digest, "--comment", "Too late.")
    assert office.work("resume") == "Too late."
    assert office.lines("paid") == []
