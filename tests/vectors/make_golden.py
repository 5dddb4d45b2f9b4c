"""Write golden-1/: a store as format 1 writes it, its key file, and what must be read from it.

    .venv/bin/python -m tests.vectors.make_golden

A released golden store is never written again: a new format gets a folder of its own.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from safepoint import Actor, PlannedStep, Store, Workspace
from safepoint.crypto.keyring import KeyFile
from safepoint.objects.local import LocalObjects

FOLDER = Path(__file__).parent / "golden-1"
PASSPHRASE = "golden words that open it"
NAMES = ("release notes", "Größe/😀: 100 %", "very long name " * 40)
ACTOR = Actor("golden", "0.1", "laptop", "42", "stdio")
BRIEFS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255, 256, 257, 260)


class Clock:
    """Goes on by a second whenever it is asked."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@asynccontextmanager
async def opened(folder: Path, **options: Any) -> AsyncIterator[Store]:
    """The store in `folder`, long after it was written."""
    options.setdefault("clock", lambda: datetime(2027, 1, 1, tzinfo=UTC))
    async with Store.open(LocalObjects(folder), pages="off", actor=ACTOR, **options) as store:
        yield store


async def write(folder: Path, key_file: Path) -> None:
    async with opened(folder, key_file=key_file, clock=Clock()) as store:
        await store.add_passphrase_slot(PASSPHRASE, label="passphrase")
        long_job, steps, short = (store.workspace(name) for name in NAMES)
        await _two_blocks(long_job)
        await _steps_of_every_kind(steps)
        await short.save(None, summary="state is null")


async def _two_blocks(work: Workspace) -> None:
    """260 versions of a state that grows, with labels, patches and plans in between."""
    await work.save(
        {"z": 1, "a": [1.5, 10**30, -0.0, "é😀", True, None], "log": []},
        label="first", summary="begun", next_action="go on", request_id="r1",
    )  # fmt: skip
    await work.save(patch={"z": None, "added": {"deep": [1, 2]}}, kind="milestone", step="one")
    await work.plan_steps(["one"], goal="publish the notes")
    await work.save(label="unchanged")
    log: list[str] = []
    for version in range(5, 261):
        log.append(f"entry {version}")
        label = {100: "again", 200: "again", 256: "last of its block"}.get(version)
        await work.save(patch={"log": log[-30:], "n": version}, label=label)


async def _steps_of_every_kind(work: Workspace) -> None:
    await work.plan_steps(
        [
            PlannedStep("done", "A step that is done"),
            PlannedStep("skipped"),
            PlannedStep("retried"),
            PlannedStep("failed"),
            PlannedStep("interrupted"),
            PlannedStep("waiting", after=("failed", "done")),
        ],
        goal="Größe",
    )
    token = (await work.start_step("done", input={"url": "x"})).fencing_token
    await work.start_step("done", fencing_token=token)
    await work.mark_step_done(
        "done", result={"b": [1], "a": 10**25}, state={"n": 1}, summary="one", fencing_token=token
    )
    await work.mark_step_done("skipped", status="skipped", result=[])
    await work.start_step("retried", lease=timedelta(seconds=1))
    await work.start_step("retried")
    await work.mark_step_done("interrupted", status="failed", error="first try")
    await work.start_step("interrupted")
    await work.mark_step_done(
        "failed", status="failed", retryable=False, error="gone", patch={"e": 1}
    )
    await work.mark_step_done("waiting", status="failed", retry_after=timedelta(days=300))


async def reading(store: Store) -> Any:
    """All that can be read of a golden store, as JSON."""
    found = {
        "store_id": store.id,
        "slots": [asdict(slot) for slot in await store.slots()],
        "workspaces": [asdict(info) for info in (await store.workspaces()).items],
        "contents": {name: await _contents(store.workspace(name)) for name in NAMES},
    }
    return json.loads(json.dumps(found, default=str))


async def _contents(work: Workspace) -> Any:
    newest = (await work.load()).version
    versions = [await work.load(version=version) for version in range(1, newest + 1)]
    return {
        "versions": [[one.version, one.sha256] for one in versions],
        "states": {str(v): versions[v - 1].state_json.decode() for v in BRIEFS if v <= newest},
        "briefs": {str(v): asdict(versions[v - 1].brief) for v in BRIEFS if v <= newest},
        "checkpoints": [
            [c.version, c.saved_at, c.kind, c.label, c.summary, c.step, c.state_bytes, c.sha256]
            for c in (await work.checkpoints(limit=1000)).items
        ],
        "history": [
            [e.version, e.at, e.kind, e.detail, e.actor.name, e.stored_bytes]
            for e in (await work.history(limit=1000)).items
        ],
        "steps": [asdict(step) for step in (await work.steps()).items],
    }


async def make() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    (FOLDER / "key").write_text(KeyFile(bytes(range(32))).text())
    await write(FOLDER / "store", FOLDER / "key")
    async with opened(FOLDER / "store", key_file=FOLDER / "key") as store:
        expected = await reading(store)
    (FOLDER / "store" / "lock").unlink(missing_ok=True)
    text = json.dumps(expected, ensure_ascii=False, separators=(",", ":"))
    (FOLDER / "expected.json").write_text(text.replace("],[", "],\n[") + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(make())
