"""Everything that lies in a store, by its key alone: what is named by nothing is told, never
touched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from safepoint.errors import InvalidInput
from safepoint.format.keys import (
    MANIFEST_FOLDER,
    ROOT_PAGE,
    ROOT_SUMMARY,
    WORKSPACES_FOLDER,
    generation_of,
    version_of,
    workspace_folder,
)
from safepoint.format.versions import Versions
from safepoint.objects.base import ObjectStore
from safepoint.verify.tally import Tally

__all__ = ["DAMAGED_FOLDER", "check_root", "check_workspace_places"]

DAMAGED_FOLDER = "damaged/"
_ELSEWHERE = ("tenants", "probe", "tokens")
_PAGE = 1000
_PAST = "~" * 201  # sorts behind every segment of a key


async def check_workspace_places(
    objects: ObjectStore,
    name: str,
    tally: Tally,
    *,
    need: Versions,
    head: int,
    artifacts: frozenset[str],
) -> None:
    """`artifacts` are the keys that the table names; `need` the versions that have to be there."""
    folder = f"{workspace_folder(name)}/"
    async for key in _all(objects, folder):
        rest = key.removeprefix(folder)
        part, _, last = rest.partition("/")
        if rest in ("summary", "index.html"):
            tally.add(advisory=1)
        elif part == "artifacts":
            if key not in artifacts:
                _orphan(tally, key, "no version of the workspace names it")
        elif part == "log" and _is(version_of, last):
            if version_of(last) <= head and version_of(last) not in need:
                tally.add(waiting=1)
        elif part != "keys" or not _is(generation_of, last):
            _foreign(tally, key)


async def check_root(objects: ObjectStore, tally: Tally) -> None:
    """What lies beside workspaces."""
    for folder in await objects.list("", folders=True):
        if folder in _ELSEWHERE or f"{folder}/" == WORKSPACES_FOLDER:
            continue
        async for key in _all(objects, f"{folder}/"):
            if f"{folder}/" == DAMAGED_FOLDER:
                tally.add(aside=1)
            elif f"{folder}/" != MANIFEST_FOLDER or not _is(generation_of, key):
                _foreign(tally, key)
    after = ""
    while found := await objects.list("", after=after, limit=1):
        (key,) = found
        folder, slash, _ = key.partition("/")
        after = f"{folder}/{_PAST}" if slash else key
        if key in (ROOT_PAGE, ROOT_SUMMARY):
            tally.add(advisory=1)
        elif not slash:
            _foreign(tally, key)


def _orphan(tally: Tally, key: str, why: str) -> None:
    tally.add(orphans=1)
    tally.note(f"orphan: {key}: {why}")


def _foreign(tally: Tally, key: str) -> None:
    tally.add(foreign=1)
    tally.note(f"foreign: {key}: Safepoint did not write it")


def _is(number_of: Callable[[str], int], key: str) -> bool:
    try:
        number_of(key)
    except InvalidInput:
        return False
    return True


async def _all(objects: ObjectStore, folder: str) -> AsyncIterator[str]:
    after = ""
    while keys := await objects.list(folder, after=after, limit=_PAGE):
        for key in keys:
            yield key
        after = keys[-1]
