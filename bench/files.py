"""A large artifact beside a plain copy of the file: seconds, and memory while it is stored."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.library import open_store
from bench.race import p50

__all__ = ["Large", "measure_large"]

_CHUNK = 8 * 1024 * 1024
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Large:
    """`ratio` is of the median times, `peak` of bytes above those before the first was stored."""

    size: int
    ratio: float
    peak: int


def measure_large(folder: Path, size: int, rounds: int) -> Large:
    """Stored by a process of its own and copied by this one, in turns; new files each time."""
    folder.mkdir(parents=True)
    source = folder / "source"
    with source.open("wb") as file:
        for _ in range(0, size, _CHUNK):
            file.write(os.urandom(min(_CHUNK, size)))
    copies: list[float] = []
    saves: list[float] = []
    peaks: list[int] = []
    for number in range(rounds):
        copies.append(_copied(source, folder / "copy"))
        command = [sys.executable, "-m", "bench.files", str(folder), str(number)]
        seconds, peak = subprocess.check_output(command, text=True).split()
        saves.append(float(seconds))
        peaks.append(int(peak))
    return Large(size, p50(saves) / p50(copies), max(peaks))


def _copied(source: Path, target: Path) -> float:
    target.unlink(missing_ok=True)
    began = time.perf_counter()
    shutil.copyfile(source, target)
    fd = os.open(target, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    return time.perf_counter() - began


async def _saved(folder: Path, number: str) -> tuple[float, int]:
    async with AsyncExitStack() as leaving:
        store = await open_store(leaving, folder / "store")
        workspace = store.workspace(f"files-{number}")
        await workspace.artifacts.save("small", b"so that all is loaded")
        before = _peak()
        began = time.perf_counter()
        await workspace.artifacts.save("large", folder / "source")
        elapsed = time.perf_counter() - began
        return elapsed, _peak() - before


def _peak() -> int:
    """Bytes that this program has held at once (Linux). Not ru_maxrss: a child inherits that."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * _KIB if found else 0


if __name__ == "__main__":
    print(*asyncio.run(_saved(Path(sys.argv[1]), sys.argv[2])))
