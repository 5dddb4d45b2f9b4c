"""A process of its own: `python worker.py URL KEY_FILE FOLDER MEBIBYTES`.

Passes an artifact of that size in from a file in FOLDER and out to another one, as `safepoint
serve` and the command line do, and prints by how many KiB that raised the most memory that the
process ever had, beyond what the same with a small file takes.
"""

import asyncio
import hashlib
import resource
import sys
from pathlib import Path

from safepoint import Store

MIB = 1024 * 1024


def write(path: Path, mebibytes: int) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for n in range(mebibytes):
            chunk = n.to_bytes(4, "big") * (MIB // 4)
            file.write(chunk)
            digest.update(chunk)
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def there_and_back(store: Store, folder: Path, mebibytes: int) -> None:
    source, target = folder / f"in {mebibytes}", folder / f"out {mebibytes}"
    digest = write(source, mebibytes)
    artifacts = store.workspace("work").artifacts
    saved = await artifacts.save(f"file {mebibytes}", source)
    source.unlink()
    assert (saved.sha256, saved.size) == (digest, mebibytes * MIB)
    await artifacts.write_to(f"file {mebibytes}", target)
    assert digest_of(target) == digest
    target.unlink()


async def main(url: str, key_file: str, folder: str, mebibytes: str) -> None:
    async with Store.open(url, key_file=Path(key_file)) as store:
        await store.workspace("work").save({"begun": True})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        await there_and_back(store, Path(folder), int(mebibytes))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
