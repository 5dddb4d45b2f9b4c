"""A durable program: killed in a step, suspended by a question, it does everything once.

    python examples/durable_agent.py

The trip is booked by processes of their own. The first is killed with SIGKILL while it books; the
second carries on, asks a person and ends; the third finds the answer and finishes.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from safepoint import Actor, Store
from safepoint.integrations.durable import Retry, Suspended, current_step, durable_step

KEY = "correct horse battery"


@durable_step("book {what}", retries=Retry(3, on=ConnectionError), unrecorded=("folder", "dies"))
async def book(what: str, folder: Path, *, dies: bool = False) -> str:
    """An effect outside, which knows an order by its idempotency key."""
    step = current_step()
    print(f"run   {step.name}, attempt {step.attempt}, in doubt: {step.in_doubt}", flush=True)
    (folder / step.idempotency_key.replace(":", "_")).touch()
    if dies:
        print("ready to die", flush=True)
        await asyncio.Event().wait()
    return f"{what}: confirmed"


def write_letter(bookings: list[str]) -> str:  # not a coroutine: it runs in a thread
    return "Dear guests, " + "; ".join(bookings)


async def program(folder: Path, *, dies: bool) -> None:
    async with Store.open(folder / "store", passphrase=KEY) as store:
        trip = store.workspace("trip")
        async with trip.durable(lease=timedelta(seconds=1)) as run:
            orders = folder / "orders"
            booked = await asyncio.gather(book("flight", orders), book("car", orders))
            booked.append(await book("hotel", orders, dies=dies))
            await run.sleep_for("settle", timedelta(seconds=0.2))
            letter = await run.step("write", write_letter, booked)
            await run.wait_for_approval(
                "send", "Send this letter?", subject=letter, max_wait=timedelta()
            )
            print(await run.step("send", letter.upper), flush=True)


def run_process(folder: Path, *options: str) -> str:
    """Its output; it is killed when it says that it is ready to die."""
    command, lines = [sys.executable, __file__, str(folder), *options], []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(" ", line, end="")
            lines.append(line)
            if line == "ready to die\n":
                process.kill()
    return "".join(lines)


async def approve(folder: Path) -> None:
    """What `safepoint approve trip send` does for the person at the terminal."""
    async with Store.open(folder / "store", passphrase=KEY) as store:
        (asked,) = (await store.inbox()).items
        await store.workspace("trip").approvals.decide(asked.name, "approve", by=Actor("anna"))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "orders").mkdir()
        run_process(folder, "dies")
        second = run_process(folder)
        assert "run   book hotel, attempt 2, in doubt: True" in second
        assert "book flight" not in second  # its result was recorded
        assert "suspended" in second
        asyncio.run(approve(folder))
        third = run_process(folder)
        assert third == "DEAR GUESTS, FLIGHT: CONFIRMED; CAR: CONFIRMED; HOTEL: CONFIRMED\n"
        assert len(list((folder / "orders").iterdir())) == 3
    print("Killed, suspended, resumed, and every step done once.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        try:
            asyncio.run(program(Path(sys.argv[1]), dies="dies" in sys.argv))
        except Suspended as suspended:
            print(suspended)
    else:
        main()
