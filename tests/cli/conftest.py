"""A store on disk with a few workspaces, and the command line in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from safepoint import PlannedStep, Store
from safepoint.keyfile import make_key_file
from safepoint_server.cli import main

ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202eevil\x9b31m"


@dataclass(frozen=True)
class Ran:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Place:
    """A store and its key file, as options."""

    url: str
    key_file: Path

    @property
    def options(self) -> list[str]:
        return ["--store", self.url, "--key-file", str(self.key_file)]


@pytest.fixture
def empty(tmp_path: Path) -> Place:
    """A store that does not exist yet, and a key file that does."""
    make_key_file(tmp_path / "key", random=lambda count: bytes(range(count)))
    return Place(str(tmp_path / "store"), tmp_path / "key")


@pytest.fixture
def place(empty: Place) -> Place:
    """A store with two workspaces: `billing` with steps, `hostile` with texts that bite."""
    asyncio.run(_fill(empty))
    return empty


async def _fill(place: Place) -> None:
    async with Store.open(place.url, key_file=place.key_file) as store:
        billing = store.workspace("billing")
        steps = (PlannedStep("fetch"), PlannedStep("send", title="Send it", after=("fetch",)))
        await billing.plan_steps(steps, goal="Bill everyone")
        started = await billing.start_step("fetch")
        await billing.save({"page": 3, "seen": ["a", "ä"]}, label="half", summary="half way")
        await billing.mark_step_done(
            "fetch", fencing_token=started.fencing_token, result={"rows": 7}, patch={"page": 9}
        )
        hostile = store.workspace(f"hostile {ESCAPES}")
        await hostile.save({ESCAPES: ESCAPES}, label=ESCAPES, summary=ESCAPES, next_action=ESCAPES)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs `safepoint` with these arguments."""

    def run(*argv: str) -> Ran:
        capsys.readouterr()
        code = main(argv)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody without any client, and a project as the folder to be in."""
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("APPDATA", str(home / "AppData" / "Roaming"))
    monkeypatch.setenv("PATH", "")
    for name in ("CLAUDE_CONFIG_DIR", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(home / "project")
    return home
