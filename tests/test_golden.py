"""Stores written by every released format are read for ever: each in tests/vectors/golden-*."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.vectors.make_golden import FOLDER, NAMES, PASSPHRASE, opened, reading

pytestmark = pytest.mark.anyio


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A copy, so that nothing is ever written to the original."""
    return shutil.copytree(FOLDER, tmp_path / "golden")


def differences(expected: Any, found: Any, at: str = "") -> list[str]:
    """Where something expected is missing or other; newer versions may tell more."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            line
            for name, value in expected.items()
            for line in differences(value, found.get(name), f"{at}.{name}")
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [
            line
            for number, pair in enumerate(zip(expected, found, strict=True))
            for line in differences(*pair, f"{at}[{number}]")
        ]
    return [] if expected == found else [f"{at}: expected {expected!r}, found {found!r}"]


@pytest.mark.parametrize("key", ["key file", "passphrase"])
async def test_all_that_was_written_is_read_as_ever(golden: Path, key: str) -> None:
    unlock: dict[str, Any] = {"key_file": golden / "key"}
    if key == "passphrase":
        unlock = {"passphrase": PASSPHRASE}
    expected = json.loads((golden / "expected.json").read_text("utf-8"))
    async with opened(golden / "store", create=False, **unlock) as store:
        assert differences(expected, await reading(store)) == []


async def test_what_is_expected_is_what_was_saved_then() -> None:
    """Written out by hand: the file must not have been made from what was read wrongly."""
    contents = json.loads((FOLDER / "expected.json").read_text("utf-8"))["contents"]
    notes, steps, short = (contents[name] for name in NAMES)
    assert [version for version, _ in notes["versions"]] == list(range(1, 261))
    first = '{"z":1,"a":[1.5,1000000000000000000000000000000,-0.0,"é😀",true,null],"log":[]}'
    assert notes["states"]["1"] == first
    assert json.loads(notes["states"]["260"])["log"][-1] == "entry 260"
    labels = {line[0]: line[3] for line in notes["checkpoints"] if line[3]}
    assert labels == {
        1: "first",
        4: "unchanged",
        100: "again",
        200: "again",
        256: "last of its block",
    }
    assert {step["name"]: step["status"] for step in steps["steps"]} == {
        "done": "done",
        "skipped": "skipped",
        "retried": "interrupted",
        "failed": "failed",
        "interrupted": "interrupted",
        "waiting": "failed",
    }
    assert steps["steps"][0]["result"] == {"b": [1], "a": 10**25}
    assert short["states"] == {"1": "null"}


async def test_an_old_store_goes_on(golden: Path) -> None:
    async with opened(golden / "store", key_file=golden / "key") as store:
        work = store.workspace(NAMES[0])
        assert (await work.save(patch={"n": 261}, label="now")).version == 261
        assert (await work.load(label="again")).version == 200
        again = await work.start_step("one")
        assert (again.decision, again.idempotency_key) == ("run", "release notes:1:one")
    async with opened(golden / "store", passphrase=PASSPHRASE) as store:
        assert (await store.workspace(NAMES[0]).load(version=261)).brief.label == "now"
        repeated = await store.workspace(NAMES[0]).save(
            {"z": 1, "a": [1.5, 10**30, -0.0, "é😀", True, None], "log": []},
            label="first", summary="begun", next_action="go on", request_id="r1",
        )  # fmt: skip
        assert (repeated.version, repeated.repeated) == (1, True)
