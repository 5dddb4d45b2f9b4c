"""A Temporal activity that keeps its progress in a workspace, so that its next attempt carries on.

    python examples/temporal_activity.py

Runs in Temporal's ActivityEnvironment, without a server: the worker of the first attempt is killed
in the middle of a page; the second attempt, told by Temporal as such, indexes what is left.
"""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from temporalio import activity
from temporalio.testing import ActivityEnvironment

from safepoint import Store
from safepoint.integrations.durable import current_step

KEY = "correct horse battery"
LEASE = timedelta(seconds=1)  # an attempt that was killed holds its step no longer than this


@dataclasses.dataclass
class Pages:
    store: str
    names: list[str]


class Indexing:
    """An activity with what its worker gives it."""

    def __init__(self, index: Path, dies_at: str | None = None) -> None:
        self.index = index
        self.dies_at = dies_at

    @activity.defn
    async def index_pages(self, pages: Pages) -> int:
        """The number of words. Every page is one durable step, whichever attempt comes to it."""
        info = activity.info()
        name = f"{info.workflow_id}.{info.workflow_run_id}.{info.activity_id}"
        async with Store.open(pages.store, passphrase=KEY) as store:
            work, words = store.workspace(name), 0
            # Temporal decides what is tried again: a step that failed before is, when it calls.
            async with work.durable(lease=LEASE, retry_failed=True) as run:
                for number, page in enumerate(pages.names):
                    activity.heartbeat(number)  # Temporal may drop these; the workspace does not
                    words += await run.step(f"index {page}", self.index_page, page)
            return words

    async def index_page(self, page: str) -> int:
        step = current_step()
        print(f"{step.name}, attempt {step.attempt}, in doubt: {step.in_doubt}", flush=True)
        (self.index / step.idempotency_key.replace(":", "_")).touch()  # once for each key
        if page == self.dies_at:
            print("ready to die", flush=True)
            await asyncio.Event().wait()
        return len(page.split("-"))


async def attempt(folder: Path, number: int, dies_at: str | None, details: list[int]) -> int:
    """One attempt as a worker runs it."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(
        environment.info, workflow_id="indexing", attempt=number, heartbeat_details=details
    )
    environment.on_heartbeat = lambda *details: print("heartbeat", *details, flush=True)
    pages = Pages(str(folder / "store"), ["a-page", "b-page", "c-long-page"])
    return await environment.run(Indexing(folder / "index", dies_at).index_pages, pages)


def worker(folder: Path, *options: str) -> list[str]:
    """What a worker process prints; it is killed when it says that it is ready to die."""
    lines, command = [], [sys.executable, __file__, str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in map(str.strip, process.stdout):
            print(" ", line)
            lines.append(line)
            if line == "ready to die":
                process.kill()
    return lines


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "index").mkdir()
        first = worker(folder, "1", "b-page")
        second = worker(folder, "2")
        assert [line for line in first if line.startswith("heartbeat")][-1] == "heartbeat 1"
        assert [line for line in second if line.startswith("index")] == [
            "index b-page, attempt 2, in doubt: True",
            "index c-long-page, attempt 1, in doubt: False",
        ]
        assert second[-1] == "7 words"
        assert len(list((folder / "index").iterdir())) == 3
    print("The worker was killed, its activity resumed, and every page done once.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        at, dies = int(sys.argv[2]), (*sys.argv[3:], None)[0]
        told = asyncio.run(attempt(Path(sys.argv[1]), at, dies, [1] if at > 1 else []))
        print(told, "words")
    else:
        main()
