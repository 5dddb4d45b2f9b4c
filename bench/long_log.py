"""Does a long history cost? Save and load at version 20,000 against version 100, the same state.

Three workspaces of one local store, of 100, 10,000 and 20,000 versions, take turns, so that what
the machine does meanwhile befalls all alike. Each stands at the same place of its block. Prints
medians and ratios; `--versions` sets the longest, `--pruned` prunes it first.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from safepoint import RetentionPolicy, Store, Workspace

ROUNDS = 100


def state(number: int) -> dict[str, Any]:
    """100 KB of which a little changes."""
    return {"messages": ["word " * 20] * 1000, "number": number}


async def fill(store: Store, name: str, versions: int) -> None:
    work = store.workspace(name)
    await work.save(state(0))
    for number in range(1, versions):
        await work.save(patch={"number": number}, label="hundred" if number % 100 == 0 else None)


async def timed(call: Any) -> float:
    began = time.perf_counter()
    await call
    return (time.perf_counter() - began) * 1000


async def measure(store: Store, works: dict[str, Workspace]) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {n: {"save": [], "load": []} for n in works}
    for number in range(ROUNDS):
        for name, work in works.items():
            found[name]["save"].append(await timed(work.save(patch={"number": -number})))
            found[name]["load"].append(await timed(work.load()))
    return found


async def cold(folder: Path, name: str, key: str) -> tuple[float, float]:
    """Milliseconds of opening the newest version in a fresh process's place, and of a list."""
    async with Store.open(folder, passphrase=key, pages="off", prune=False) as store:
        work = store.workspace(name)
        return await timed(work.load()), await timed(work.checkpoints(limit=1000))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", type=int, default=20_000)
    parser.add_argument("--pruned", action="store_true")
    args = parser.parse_args()
    key = "a passphrase for this bench"
    lengths = sorted({100, args.versions // 512 * 256 + 100, args.versions // 256 * 256 + 100})
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        began = time.perf_counter()
        options: dict[str, Any] = {"passphrase": key, "pages": "off", "prune": False}
        async with Store.open(path, clock=lambda: clock[0], **options) as store:
            for versions in lengths:
                await fill(store, f"v{versions}", versions)
            print(f"filled in {time.perf_counter() - began:.0f} s")
            clock[0] += timedelta(days=3)
            if args.pruned:
                took = time.perf_counter()
                policy = RetentionPolicy(keep_last=200)
                done = await store.workspace(f"v{lengths[-1]}").retention.prune(policy)
                took = time.perf_counter() - took
                print(f"pruned {done.versions:,} versions, {done.removed:,} objects: {took:.1f} s")
            works = {f"v{versions}": store.workspace(f"v{versions}") for versions in lengths}
            await measure(store, works)
            found = await measure(store, works)
        first = found[f"v{lengths[0]}"]
        for name, times in found.items():
            line = []
            for what, values in times.items():
                median = statistics.median(values)
                ratio = median / statistics.median(first[what])
                line.append(f"{what} {median:.2f} ms ({ratio:.2f} x)")
            opened, listed = await cold(path, name, key)
            print(f"{name:>8}: {', '.join(line)}; cold load {opened:.1f} ms, list {listed:.1f} ms")


if __name__ == "__main__":
    asyncio.run(main())
