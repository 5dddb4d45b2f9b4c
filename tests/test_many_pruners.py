"""Writers, readers and pruners in processes of their own, on one workspace on local disk."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from safepoint import NotFound, RetentionPolicy, Store

COMMITS = 500

PROGRAM = """
import asyncio, json, random, sys
from datetime import UTC, datetime, timedelta
from safepoint import NotFound, RetentionPolicy, Store

LATER = lambda: datetime.now(UTC) + timedelta(days=3)  # all records are old to whoever prunes

async def write(folder, name, commits):
    acknowledged = {}
    async with Store.open(folder, prune=False, pages="off") as store:
        for number in range(commits):
            label = f"{name} {number}" if number % 100 == 0 else None
            state = f"{name} {number}"
            acknowledged[(await store.workspace("shared").save(state, label=label)).version] = state
    print(json.dumps(acknowledged))

async def prune(folder, name, commits):
    removed = 0
    async with Store.open(folder, clock=LATER, prune=False, pages="off") as store:
        work = store.workspace("shared")
        while (await work.load()).version < commits:
            removed += (await work.retention.prune(RetentionPolicy(keep_last=20))).removed
    print(json.dumps(removed))

async def read(folder, name, commits):
    loaded, pruned, chance = 0, 0, random.Random(name)
    async with Store.open(folder, prune=False, pages="off") as store:
        work = store.workspace("shared")
        while (head := (await work.load()).version) < commits:
            listed = [c.version for c in (await work.checkpoints(limit=1000)).items]
            for version in [*chance.sample(listed, min(5, len(listed))), chance.randint(1, head)]:
                try:
                    assert (await work.load(version=version)).version == version
                    loaded += 1
                except NotFound as error:
                    assert error.code == "pruned", error
                    pruned += 1
            await work.history(limit=50)
    print(json.dumps([loaded, pruned]))

task = {"write": write, "prune": prune, "read": read}[sys.argv[1]]
asyncio.run(task(sys.argv[2], sys.argv[3], int(sys.argv[4])))
"""


def test_nothing_acknowledged_is_lost_and_nobody_meets_damage(tmp_path: Path) -> None:
    folder = tmp_path / "store"

    async def begin() -> None:
        async with Store.open(folder) as store:
            await store.workspace("shared").save("begun")

    asyncio.run(begin())
    total = 2 * COMMITS + 1
    roles = [("write", COMMITS), ("write", COMMITS), ("prune", total), ("prune", total),
             ("read", total)]  # fmt: skip
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, role, str(folder), f"{role}{n}", str(count)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n, (role, count) in enumerate(roles)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(roles)
    first, second, _, _, (loaded, _) = map(json.loads, outputs)
    assert loaded > 0
    acknowledged = {int(version): state for version, state in {**first, **second}.items()}
    assert len(acknowledged) == 2 * COMMITS

    async def check() -> None:
        later = datetime.now(UTC) + timedelta(days=3)
        async with Store.open(folder, clock=lambda: later) as store:
            work = store.workspace("shared")
            await work.retention.prune(RetentionPolicy(keep_last=20))
            kept = 0
            for version, state in acknowledged.items():
                try:
                    assert (await work.load(version=version)).state == state
                    kept += 1
                except NotFound:
                    assert not state.endswith("00")  # those have a label
            assert 20 <= kept < 2 * COMMITS
            assert (await work.verify()).problems == ()

    asyncio.run(check())
