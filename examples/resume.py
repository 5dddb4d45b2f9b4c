"""The loop of any durable program, by the library: a process is killed, the next one carries on.

    python examples/resume.py

The work is done by a second process, which is killed with SIGKILL in the middle of a step. Another
one opens the same workspace: it repeats no finished step, knows the notes that the first one took,
and hands the same idempotency key to the outside world when it repeats the step in doubt.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from safepoint import Decision, Started, Store, Workspace

STEPS = ("book the flight", "book the hotel", "tell the guests")
DIES_IN = "book the hotel"


async def work(folder: Path, *, dies: bool) -> None:
    """Do every step that is not done yet."""
    async with Store.open(folder / "store", passphrase="correct horse battery") as store:
        trip = store.workspace("trip")
        await trip.plan_steps(STEPS, goal="Everybody is in Lisbon on Monday")
        for step in STEPS:
            started = await start(trip, step)
            if started.decision is Decision.SKIP:
                print(f"skip    {step}: {started.result}", flush=True)
                continue
            print(f"run     {step}, attempt {started.attempt}", flush=True)
            order(folder, started.idempotency_key)  # the effect outside
            if dies and step == DIES_IN:
                print("ready to die", flush=True)
                await asyncio.Event().wait()
            await trip.mark_step_done(
                step,
                fencing_token=started.fencing_token,
                result=f"confirmed by attempt {started.attempt}",
                patch={"notes": {step: "done"}},
            )


async def start(trip: Workspace, step: str) -> Started:
    """Ask for the step until it is ours or done: a dead holder's lease runs out by itself."""
    while True:
        started = await trip.start_step(step, lease=timedelta(seconds=1))
        if started.wait_until is None:
            return started
        left = started.wait_until - datetime.now(UTC)
        await asyncio.sleep(max(0.0, left.total_seconds()))


def order(folder: Path, key: str) -> None:
    """The outside world: an order book that knows an order by its idempotency key."""
    (folder / "orders").mkdir(exist_ok=True)
    (folder / "orders" / key.replace(":", "_")).write_text("ordered")


def kill_in_the_middle(folder: Path) -> None:
    command = [sys.executable, __file__, str(folder), "dies"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print("  first  ", line, end="")
            if line == "ready to die\n":
                process.kill()


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kill_in_the_middle(folder)
        command = [sys.executable, __file__, str(folder)]
        second = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print("".join(f"  second  {line}\n" for line in second.splitlines()), end="")

        assert "skip    book the flight: confirmed by attempt 1" in second
        assert "run     book the hotel, attempt 2" in second
        assert len(list((folder / "orders").iterdir())) == len(STEPS)  # none twice
    print("Killed, resumed, and every step done once.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(work(Path(sys.argv[1]), dies="dies" in sys.argv))
    else:
        main()
