"""One process that saves, in one workspace and in new ones, while others replace the keys.

`rotating_writer.py NAME` opens the store of the environment. Each time it reads `go` it makes its
saves of one turn and says `ready`. Where the store key was changed it opens the store again, as a
restarted program does. At `stop` it prints, as JSON, the versions of its saves and the workspaces
that it began.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from safepoint import JSON, Store, WrongKey

WORKSPACE = "shared"
SAVES = 12


class Writer:
    def __init__(self, name: str) -> None:
        self._name = name
        self._stack = AsyncExitStack()
        self.versions: list[int] = []
        self.begun: list[str] = []

    async def open(self) -> None:
        await self._stack.aclose()
        url, key_file = os.environ["SAFEPOINT_STORE"], Path(os.environ["SAFEPOINT_KEY_FILE"])
        opened = Store.open(url, key_file=key_file, pages="off")
        self._store = await self._stack.enter_async_context(opened)

    async def turn(self) -> None:
        fresh, last = f"{self._name}-{len(self.begun)}", len(self.versions) + SAVES
        while len(self.versions) < last:
            try:
                if fresh not in self.begun and len(self.versions) > last - SAVES // 2:
                    await self._store.workspace(fresh).save({"of": self._name})
                    self.begun.append(fresh)
                patch: JSON = {self._name: len(self.versions)}
                saved = await self._store.workspace(WORKSPACE).save(patch=patch)
                self.versions.append(saved.version)
            except WrongKey as error:
                if error.code != "store_key_changed":
                    raise
                await self.open()

    async def close(self) -> None:
        await self._stack.aclose()


async def main(name: str) -> None:
    writer = Writer(name)
    await writer.open()
    print("ready", flush=True)
    while (await asyncio.to_thread(sys.stdin.readline)) == "go\n":
        await writer.turn()
        print("ready", flush=True)
    await writer.close()
    print(json.dumps([writer.versions, writer.begun]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
