"""Four processes commit to one workspace on local disk, and nobody's update is lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import CAMPAIGN

from safepoint import Store

WRITERS = 4
COMMITS = 250

WRITER = """
import asyncio, json, sys
from pathlib import Path
from safepoint import Conflict, Store

async def main(folder, name, commits):
    acknowledged = []
    async with Store.open(folder) as store:
        work = store.workspace("shared")
        for number in range(commits):
            saved = await work.save(patch={name: number}, label=f"{name} {number}")
            acknowledged.append([saved.version, saved.sha256])
    print(json.dumps(acknowledged))

async def count(folder, name, commits):
    async with Store.open(folder) as store:
        work = store.workspace("counter")
        for _ in range(commits):
            while True:
                seen = await work.load()
                total = seen.state["total"] + 1
                try:
                    await work.save({"total": total}, expected_version=seen.version)
                except Conflict as conflict:
                    assert conflict.code == "version_conflict", conflict
                else:
                    break
    print("[]")

task = main if sys.argv[1] == "main" else count
asyncio.run(task(sys.argv[2], sys.argv[3], int(sys.argv[4])))
"""


def _run_writers(task: str, folder: Path, commits: int) -> list[list[list[object]]]:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, task, str(folder), f"writer{n}", str(commits)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(WRITERS)
    ]
    outputs = [writer.communicate(timeout=300)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    return [json.loads(output) for output in outputs]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    async def make() -> None:
        async with Store.open(tmp_path / "store") as store:
            await store.workspace("counter").save({"total": 0})

    asyncio.run(make())
    return tmp_path / "store"


def test_a_thousand_commits_of_four_processes_make_a_thousand_versions(folder: Path) -> None:
    acknowledged = _run_writers("main", folder, COMMITS * CAMPAIGN)
    total = WRITERS * COMMITS * CAMPAIGN
    by_version = {int(str(v)): sha for one in acknowledged for v, sha in one}
    assert sorted(by_version) == list(range(1, total + 1))

    async def check() -> None:
        async with Store.open(folder) as store:
            work = store.workspace("shared")
            final = await work.load()
            last = COMMITS * CAMPAIGN - 1
            assert final.version == total
            assert final.state == {f"writer{n}": last for n in range(WRITERS)}
            expected: dict[str, int] = {}
            cursor = None
            listed = []
            while True:
                page = await work.checkpoints(limit=1000, cursor=cursor)
                listed += page.items
                cursor = page.next_cursor
                if cursor is None:
                    break
            for checkpoint in reversed(listed):
                assert by_version[checkpoint.version] == checkpoint.sha256
                writer, number = str(checkpoint.label).split()
                assert int(number) == expected.get(writer, -1) + 1
                expected[writer] = int(number)
            assert len(listed) == total

    asyncio.run(check())


def test_increments_guarded_by_the_expected_version_all_count(folder: Path) -> None:
    _run_writers("count", folder, 40)

    async def total() -> object:
        async with Store.open(folder) as store:
            return (await store.workspace("counter").load()).state

    assert asyncio.run(total()) == {"total": WRITERS * 40}
