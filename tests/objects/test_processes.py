"""Many processes on one folder: one winner for each key, and nothing half-written when they die."""

import asyncio
import hashlib
import random
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from safepoint.objects.local import LocalObjects

WORKER = Path(__file__).with_name("worker.py")

paths = pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            "one-sync",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="one fsync is for Linux only"),
        ),
        "portable",
    ],
)


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def is_whole(key: str, body: bytes) -> bool:
    """See worker.body_for."""
    return hashlib.sha256(key.encode() + body[32:]).digest() == body[:32]


@paths
def test_of_eight_processes_exactly_one_wins_each_key(tmp_path: Path, path: str) -> None:
    keys, racers = 200, "abcdefgh"
    processes = {racer: start("race", tmp_path, path, racer, keys) for racer in racers}
    for process in processes.values():
        assert output(process).readline() == "ready\n"
    winners: dict[int, list[str]] = {n: [] for n in range(keys)}
    for process in processes.values():
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for racer, process in processes.items():
        lines = process.communicate()[0].splitlines()
        assert process.returncode == 0
        assert len(lines) == keys
        for line in lines:
            n, result = line.split()
            if result == "won":
                winners[int(n)].append(racer)
    for n, won in winners.items():
        assert len(won) == 1, f"key {n} was won by {won}"
        assert (tmp_path / f"race/{n:04d}").read_bytes() == won[0].encode() * 2000


@paths
def test_a_killed_process_leaves_each_object_whole_or_absent(
    tmp_path: Path, path: str, campaign: int
) -> None:
    chance = random.Random(path)
    objects = LocalObjects(tmp_path)
    acknowledged: list[str] = []
    for life in range(6 * campaign):
        process = start("write", tmp_path, path, life * 1_000_000)
        with process:
            for _ in range(chance.randrange(1, 25)):
                acknowledged.append(output(process).readline().strip())
            process.kill()
            acknowledged += output(process).read().split("\n")[:-1]
    listed = asyncio.run(objects.list("", limit=1_000_000))
    for key in listed:
        body = asyncio.run(objects.get(key))
        assert body is not None
        assert is_whole(key, body), key
    assert set(acknowledged) <= set(listed)
    assert all(key == "summary" or key.startswith("log/") for key in listed)
