"""A durable program with effects outside, to be killed: python program.py STORE DIARY.

The diary is one file of short lines, appended in one write each, so that their order is that of
what happened: `ran`, `effect`, `refused` and `finished`, with the step or its idempotency key.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from safepoint import Store, Workspace
from safepoint.integrations.durable import DurableRun, Retry, Timing, current_step

LEASE = timedelta(seconds=1)
PAGES = 4
ROUNDS = 8
RETRY = Retry(50, first=timedelta(milliseconds=5))
STEPS = {
    "plan",
    "rest",
    *(f"page-{n}" for n in range(PAGES)),
    *(f"round-{n}" for n in range(ROUNDS)),
    "report",
}


class Outside:
    """The world: it does a thing once for each key, and its diary outlives every process."""

    def __init__(self, diary: Path) -> None:
        self.diary = diary
        self.done = diary.with_suffix(".done")
        self.done.mkdir(exist_ok=True)

    def note(self, *words: object) -> None:
        descriptor = os.open(self.diary, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
        finally:
            os.close(descriptor)

    def act(self) -> str:
        """What a step does outside, told apart by its idempotency key."""
        step = current_step()
        self.note("ran", step.name, step.attempt)
        try:
            (self.done / step.idempotency_key.replace(":", "_")).mkdir()
        except FileExistsError:
            assert step.attempt > 1
            self.note("refused", step.idempotency_key)
        else:
            self.note("effect", step.idempotency_key)
        return step.idempotency_key


async def program(work: Workspace, outside: Outside, timing: Timing, pause: float) -> None:
    async with work.durable(lease=LEASE, timing=timing) as run:

        async def page(number: int) -> str:
            step = current_step()
            await asyncio.sleep(pause)
            key = outside.act()
            if step.attempt == 1 + number % 2:
                raise ConnectionError(f"page {number}")
            return key

        def round_(number: int) -> str:
            key = outside.act()
            time.sleep(pause)
            return key

        async def report(keys: list[str]) -> int:
            current_step().save(patch={"keys": keys, "report": outside.act()})
            await asyncio.sleep(pause)
            return len(keys)

        first = await finished(run, outside, "plan", run.step("plan", outside.act))
        async with asyncio.TaskGroup() as group:
            names = {f"page-{n}": n for n in range(PAGES)}
            calls = {name: run.step(name, page, n, retries=RETRY) for name, n in names.items()}
            tasks = [group.create_task(finished(run, outside, *call)) for call in calls.items()]
        pages = [task.result() for task in tasks]
        await finished(run, outside, "rest", run.sleep_for("rest", timedelta(seconds=0.1)))
        keys = [first, *pages]
        for n in range(ROUNDS):
            name = f"round-{n}"
            keys.append(await finished(run, outside, name, run.step(name, round_, n)))
        await finished(run, outside, "report", run.step("report", report, keys))


async def finished(run: DurableRun, outside: Outside, name: str, call: object) -> str:
    """The result, once the outside has been told that the step is finished for good."""
    result = await call  # type: ignore[misc]
    outside.note("finished", name)
    return str(result)


def check(diary: Path) -> dict[str, int]:
    """How often each thing was done. Raises AssertionError for an effect that was doubled or for a
    step that ran after it had been finished."""
    lines = [line.split() for line in diary.read_text().splitlines()]
    effects = [words[1] for words in lines if words[0] == "effect"]
    assert sorted(effects) == sorted(f"work:1:{step}" for step in STEPS - {"rest"})
    ended: set[str] = set()
    for words in lines:
        if words[0] == "finished":
            ended.add(words[1])
        assert words[0] != "ran" or words[1] not in ended, words
    assert ended == STEPS
    kinds = [words[0] for words in lines]
    return {kind: kinds.count(kind) for kind in set(kinds)}


async def main(folder: Path, diary: Path) -> None:
    outside = Outside(diary)
    async with Store.open(folder, passphrase="correct horse battery") as store:
        print("open", flush=True)
        await program(store.workspace("work"), outside, Timing(), 0.1)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
