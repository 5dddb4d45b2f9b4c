"""A durable program is killed at random moments, or at every operation of its store, until it
finishes: each effect happened once, no finished step ran again."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.conftest import CAMPAIGN
from tests.integrations.durable import program
from tests.integrations.durable.hours import Hours
from tests.place import Place

from safepoint import SafepointError, StepStatus, Store
from safepoint.testing.faults import CountingObjects, Crash, Fault, FaultyObjects

LIVES = 40


def live(folder: Path, diary: Path, seconds: float | None) -> bool:
    """Run the program, and kill it so long after it has opened its store. Whether it finished."""
    command = [sys.executable, program.__file__, str(folder), str(diary)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        killer = threading.Timer(seconds, process.kill) if seconds is not None else None
        if killer is not None:
            killer.start()
        error = process.stderr.read().decode()
        process.wait()
        if killer is not None:
            killer.cancel()
            killer.join()
    assert process.returncode in (0, -9, 1 if os.name == "nt" else 0), error
    return process.returncode == 0


@pytest.mark.parametrize("seed", range(2 * CAMPAIGN))
def test_a_killed_program_does_everything_once(tmp_path: Path, seed: int) -> None:
    chance, folder, diary = random.Random(seed), tmp_path / "store", tmp_path / "diary"
    lives = 1
    while not live(folder, diary, chance.uniform(0.1, 1.0) if lives < LIVES else None):
        lives += 1
    assert lives > 1
    told = program.check(diary)
    assert told["ran"] > told["effect"]
    asyncio.run(check_store(folder, told))


def test_two_processes_with_the_same_program_share_its_steps(tmp_path: Path) -> None:
    folder, diary = tmp_path / "store", tmp_path / "diary"
    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: live(folder, diary, None), range(2)))
    told = program.check(diary)
    assert told["finished"] == 2 * len(program.STEPS)
    asyncio.run(check_store(folder, told))


async def check_store(folder: Path, told: dict[str, int]) -> None:
    async with Store.open(folder, passphrase="correct horse battery", create=False) as store:
        work = store.workspace("work")
        steps = {step.name: step for step in (await work.steps()).items}
        assert set(steps) == program.STEPS
        assert {step.status for step in steps.values()} == {StepStatus.DONE}
        assert sum(step.attempts for step in steps.values()) >= told["ran"]
        state = (await work.load()).state
        assert isinstance(state, dict)
        assert state["report"] == "work:1:report"
        assert len(state["keys"]) == 1 + program.PAGES + program.ROUNDS  # type: ignore[arg-type]


async def run(place: Place, faulty: FaultyObjects | CountingObjects | None, diary: Path) -> None:
    outside = program.Outside(diary)
    async with place.process(faulty) as store:
        timing = Hours(place, program.LEASE).timing()
        await program.program(store.workspace("work"), outside, timing, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("fault", list(Fault))
async def test_whatever_happens_at_any_operation_of_the_store(tmp_path: Path, fault: Fault) -> None:
    counting = CountingObjects(Place(tmp_path).objects)
    await run(Place(tmp_path), counting, tmp_path / "diary")
    operations, seen = len(counting.operations), 0
    assert operations > 40
    for operation in range(4, operations, 3):
        place, diary = Place(tmp_path), tmp_path / f"diary-{operation}"
        faulty = FaultyObjects(place.objects, {operation: fault})
        try:
            await run(place, faulty, diary)
        except (SafepointError, Crash, BaseExceptionGroup):
            seen += 1
            await faulty.land()
            place.now += timedelta(seconds=30)
            await run(place, None, diary)
        program.check(diary)
    assert seen > 0
