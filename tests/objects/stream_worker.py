"""A process of its own: `python stream_worker.py hang ROOT`, or `move URL MEBIBYTES`.

`hang` begins an upload and waits to be killed. `move` streams so much in and out, and prints by how
many KiB that raised the most memory that the process ever had, beyond what one part's stream takes.
"""

import asyncio
import hashlib
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from safepoint.objects.local import LocalObjects

MIB = 1024 * 1024


async def hang(root: str) -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        yield b"y" * MIB
        print("hanging", flush=True)
        await asyncio.Event().wait()

    await LocalObjects(Path(root)).put_stream("k", source())


async def there_and_back(objects: LocalObjects, key: str, mebibytes: int) -> None:
    sent, got = hashlib.sha256(), hashlib.sha256()

    async def source() -> AsyncIterator[bytes]:
        for n in range(mebibytes):
            chunk = n.to_bytes(4, "big") * (MIB // 4)
            sent.update(chunk)
            yield chunk

    assert await objects.put_stream(key, source()) == mebibytes * MIB
    async for chunk in objects.get_stream(key):
        got.update(chunk)
    assert got.digest() == sent.digest()


async def move(url: str, mebibytes: int) -> None:
    if url.startswith("s3://"):
        from safepoint.objects.s3 import open_s3

        objects: LocalObjects = await open_s3(url)  # type: ignore[assignment]
    else:
        objects = LocalObjects(Path(url))
    await there_and_back(objects, "small", 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await there_and_back(objects, "large", mebibytes)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    await objects.close()


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "hang":
        asyncio.run(hang(arguments[0]))
    else:
        asyncio.run(move(arguments[0], int(arguments[1])))
