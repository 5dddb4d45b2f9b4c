"""A real store of several blocks, ways to damage its objects, and what damage costs at most."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import timedelta

from tests.place import Place

from safepoint import Damaged, NotFound, PlannedStep, Store
from safepoint.format.keys import chain_of, log_key
from safepoint.objects.base import ObjectStore
from safepoint.objects.memory import MemoryObjects

NAME = "work"
OTHER = "other"
VERSIONS = 530  # two blocks and a bit
Objects = dict[str, bytes]

Way = Callable[[Objects, str, int], Objects]


def flipped(objects: Objects, key: str, seed: int) -> Objects:
    data = bytearray(objects[key])
    data[seed % len(data)] ^= 1 << (seed % 8)
    return {**objects, key: bytes(data)}


def cut(objects: Objects, key: str, seed: int) -> Objects:
    length = 1 + seed % (len(objects[key]) - 1)
    length -= length % 512 == 0  # a stump is another thing
    return {**objects, key: objects[key][:length]}


def gone(objects: Objects, key: str, seed: int) -> Objects:
    return {other: data for other, data in objects.items() if other != key}


def replayed(objects: Objects, key: str, seed: int) -> Objects:
    """Another record of the same workspace in its place."""
    others = sorted(one for one in objects if "/log/" in one and one != key)
    return {**objects, key: objects[others[seed % len(others)]]}


WAYS: dict[str, Way] = {"flipped": flipped, "cut": cut, "gone": gone, "replayed": replayed}


class Whole:
    """A store as it was written, and the state of each version."""

    def __init__(self, objects: Objects, states: dict[int, object]) -> None:
        self.objects = objects
        self.states = states


async def whole_store(place: Place) -> Whole:
    """One workspace with steps and checkpoints of every kind, and another beside it."""
    states: dict[int, object] = {}
    async with place.process(MemoryObjects()) as store:
        await store.workspace(OTHER).save({"n": 1})
        work = store.workspace(NAME)
        await work.plan_steps(["fetch", PlannedStep("send", after=("fetch",))])
        token = (await work.start_step("fetch")).fencing_token
        await work.mark_step_done("fetch", result={"pages": 3}, fencing_token=token)
        state: object = None
        states |= dict.fromkeys((1, 2, 3), None)
        for number in range(4, VERSIONS + 1):
            place.now += timedelta(seconds=1)
            state = {"n": number, "text": f"line {number} " * (number % 7)}
            await work.save(state, label=f"save {number}" if number % 50 == 0 else None)
            states[number] = json.loads(json.dumps(state))
        objects = store.objects
        keys = await everything(objects)
        found = {key: await objects.get(key) or b"" for key in keys}
    return Whole({k: d for k, d in found.items() if not k.endswith("summary")}, states)


async def everything(objects: ObjectStore) -> list[str]:
    keys: list[str] = []
    while page := await objects.list("", after=keys[-1] if keys else ""):
        keys += page
    return keys


async def in_memory(objects: Objects) -> MemoryObjects:
    memory = MemoryObjects()
    for key, data in objects.items():
        await memory.put(key, data)
    return memory


async def fill(target: ObjectStore, objects: Objects) -> None:
    for key, data in objects.items():
        assert await target.put(key, data, if_absent=True)


def record(version: int) -> str:
    return log_key(NAME, version)


def left_of(versions: int, damaged: Iterable[int]) -> list[int]:
    """The versions that can still be rebuilt."""
    bad = set(damaged)
    return [v for v in range(1, versions + 1) if bad.isdisjoint(chain_of(v))]


async def readable(store: Store, versions: Iterable[int]) -> dict[int, object]:
    """The states of those versions that can be loaded."""
    found: dict[int, object] = {}
    for version in versions:
        try:
            found[version] = (await store.workspace(NAME).load(version=version)).state
        except (Damaged, NotFound):
            continue
    return found
