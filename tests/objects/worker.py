"""A process of its own for the tests: `python worker.py race|write ROOT one-sync|portable …`.

It answers on standard output, one line for each thing that the parent waits for.
"""

import asyncio
import hashlib
import random
import sys
from pathlib import Path

from safepoint.objects._durable import OsCalls
from safepoint.objects.local import LocalObjects

PATHS = {"one-sync": lambda folder: True, "portable": lambda folder: False}


def body_for(key: str, size: int) -> bytes:
    """Bytes that tell whether all of them are there: their hash, then as many as it says."""
    rest = random.Random(key).randbytes(size)
    return hashlib.sha256(key.encode() + rest).digest() + rest


async def race(objects: LocalObjects, racer: str, keys: int) -> None:
    """Wait for the start, then try to win every key."""
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(keys):
        won = await objects.put(f"race/{n:04d}", racer.encode() * 2000, if_absent=True)
        print(f"{n} {'won' if won else 'lost'}")


async def write(objects: LocalObjects, start: int) -> None:
    """Put and acknowledge for ever, until killed."""
    for n in range(start, start + 1_000_000):
        key = f"log/{n:08d}"
        await objects.put(key, body_for(key, 20_000 + n % 50_000), if_absent=True)
        await objects.put("summary", body_for("summary", 10_000 + n))
        print(key, flush=True)


def main() -> None:
    what, root, path, argument = sys.argv[1:5]
    objects = LocalObjects(Path(root), os_calls=OsCalls(one_sync_is_sound=PATHS[path]))
    if what == "race":
        asyncio.run(race(objects, argument, int(sys.argv[5])))
    else:
        asyncio.run(write(objects, int(argument)))


if __name__ == "__main__":
    main()
