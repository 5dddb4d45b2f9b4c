"""What comes in between: first commits and stumps of others, late answers, changed arguments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import orjson
import pytest
from tests.place import KEY, Place

from safepoint import (
    Actor,
    Damaged,
    InvalidInput,
    Limits,
    NotFound,
    OutcomeUnknown,
    Store,
    Unavailable,
)
from safepoint.crypto import manifest
from safepoint.crypto.keyring import Passphrase
from safepoint.format.keys import keys_key, log_folder, log_key, manifest_key
from safepoint.objects._durable import OsCalls
from safepoint.objects._wrapper import Operation, Wrapper
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.faults import CountingObjects, GatedObjects

pytestmark = pytest.mark.anyio

T = TypeVar("T")


async def test_a_workspace_that_is_made_while_it_is_opened_is_not_damaged(place: Place) -> None:
    gated = GatedObjects(place.objects)
    async with place.process(gated) as late, place.process() as store:
        listing = gated.hold("list", log_folder("work"))  # the keys were listed: none
        loading = asyncio.create_task(late.workspace("work").load())
        await listing.reached.wait()
        await asyncio.sleep(0)
        await store.workspace("work").save(1)
        listing.open()
        assert (await loading).version == 1


@pytest.mark.parametrize("what", ["record", "keys"])
async def test_a_stump_that_another_process_sets_aside_meanwhile_is_not_missing(
    tmp_path: Path, what: str
) -> None:
    place = Place(tmp_path, LocalObjects(tmp_path / "store"))
    key = log_key("work", 2) if what == "record" else keys_key("work", 1)
    async with place.process() as store:
        if what == "record":
            await store.workspace("work").save(1)
    await place.objects.put(key, b"")
    gated = GatedObjects(place.objects)
    async with place.process(gated) as late, place.process() as store:
        reading = gated.hold("get", key)
        saving = asyncio.create_task(late.workspace("work").save(2))
        await reading.reached.wait()
        if what == "record":
            assert (await store.workspace("work").load()).version == 1
        else:
            with pytest.raises(NotFound):
                await store.workspace("work").load()
        reading.open()
        assert (await saving).version == (2 if what == "record" else 1)


async def test_a_stump_of_a_store_that_another_process_sets_aside_is_not_missing(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path, LocalObjects(tmp_path / "store"))
    await place.objects.put(manifest_key(1), b"")
    gated = GatedObjects(place.objects)
    reading = gated.hold("get", manifest_key(1))

    async def opened() -> str:
        async with place.process(gated) as store:
            return store.id

    opening = asyncio.create_task(opened())
    await reading.reached.wait()
    await place.objects.set_aside(manifest_key(1), b"")  # type: ignore[attr-defined]
    reading.open()
    assert len(await opening) == 32


async def test_what_is_read_is_durable_before_it_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path, LocalObjects(tmp_path / "store"))
    async with place.process() as store:
        await store.workspace("work").save(1)
    counting = CountingObjects(LocalObjects(tmp_path / "store"))
    async with place.process(counting) as reader:
        counting.clear()
        work = reader.workspace("work")
        await work.load()
        assert counting.operations[-1] == Operation("make_durable", log_key("work", 1))
        await work.load()
        await work.save(2)
        await work.load()
        assert counting.count("make_durable") == 1


async def test_what_cannot_be_made_durable_is_not_told(tmp_path: Path) -> None:
    place = Place(tmp_path, LocalObjects(tmp_path / "store"))
    async with place.process() as store:
        await store.workspace("work").save(1)
    broken = False

    def fsync(fd: int) -> None:
        if broken:
            raise OSError(5, "Input/output error")

    objects = LocalObjects(tmp_path / "store", os_calls=OsCalls(fsync=fsync))
    async with place.process(objects) as reader:
        broken = True
        with pytest.raises(Unavailable):
            await reader.workspace("work").load()


async def test_a_limit_is_that_of_the_newest_version(place: Place) -> None:
    limits = Limits(document_bytes=100_000)
    async with place.process(limits=limits) as one, place.process(limits=limits) as other:
        work = one.workspace("work")
        await work.plan_steps(["count"])
        await work.save("x" * 90_000)
        await other.workspace("work").save("small")
        assert (await work.mark_step_done("count", result="r" * 20_000)).version == 4


async def test_a_patch_is_taken_as_it_was_given(place: Place) -> None:
    counted = GatedObjects(place.objects)
    async with place.process(counted) as store:
        work = store.workspace("work")
        await work.save({})
        putting = counted.hold("put", log_key("work", 2))
        first = asyncio.create_task(work.save({"n": 0}))
        await putting.reached.wait()
        patch = {"a": 1}
        second = asyncio.create_task(work.save(patch=patch))
        await asyncio.sleep(0)
        patch["a"] = 2
        putting.open()
        await asyncio.gather(first, second)
        assert (await work.load()).state == {"n": 0, "a": 1}


async def test_a_patch_may_be_as_deep_as_the_limit(place: Place) -> None:
    patch: dict[str, object] = {}
    for _ in range(150):
        patch = {"a": patch}
    async with place.process(limits=Limits(depth=200)) as store:
        work = store.workspace("work")
        await work.plan_steps(["dig"])
        await work.save(patch=patch, request_id="one")  # type: ignore[arg-type]
        await work.mark_step_done("dig", patch=patch)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["x" * 5_000, "\udcff"])
async def test_the_actor_of_a_store_is_checked(name: str) -> None:
    with pytest.raises(InvalidInput):
        async with Store.open("memory://", actor=Actor(name)):
            pass


async def test_a_user_name_that_is_no_text_does_not_matter(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "j\udcffrg")
    async with Store.open(place.objects, key_file=place.key_file) as store:
        await store.workspace("work").save(1)
        assert (await store.workspace("work").history()).items[0].actor.name == "j?rg"


def test_a_passphrase_that_is_no_text_is_the_callers_fault() -> None:
    with pytest.raises(InvalidInput, match="not Unicode"):
        Passphrase("correct \udcff horse")


@pytest.mark.parametrize("kind", [["a"], 7, "\x1b[2J", "x" * 1_000])
async def test_slots_that_cannot_be_ours_are_damage_and_not_repeated(
    place: Place, kind: object
) -> None:
    async with place.process():
        pass
    body = orjson.loads(await place.objects.get(manifest_key(1)) or b"")
    body["slots"] = [{**body["slots"][0], "kind": kind}, {**body["slots"][0], "kind": "zz"}]
    del body["sha256"]
    forged = manifest._text({**body, "sha256": manifest._checksum(body)})
    await place.objects.put(manifest_key(1), forged)
    with pytest.raises(Damaged) as caught:
        async with place.process():
            pass
    assert len(str(caught.value)) < 200
    assert "\x1b" not in str(caught.value)


class LateObjects(Wrapper):
    """The next put gets no answer, and lands after the read that looks for it."""

    armed = False

    def __init__(self, inner: MemoryObjects) -> None:
        super().__init__(inner)
        self._late: Callable[[], Awaitable[object]] | None = None
        self._reads = 0

    async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
        if self._late is not None:
            if self._reads == 1:
                await self._late()
                self._late = None
            self._reads += 1
        if self.armed and operation.verb == "put":
            self.armed, self._late, self._reads = False, act, 0
            raise OutcomeUnknown("no answer")
        return await act()


async def test_a_change_of_slots_that_lands_late_happens_once() -> None:
    late = LateObjects(MemoryObjects())
    async with Store.open(late, passphrase="correct horse", pages="off") as store:
        late.armed = True
        made = await store.add_passphrase_slot("another horse", "second")
        assert [slot.label for slot in await store.slots()] == ["", "second"]
        late.armed = True
        await store.remove_slot(made.id)
        assert [slot.label for slot in await store.slots()] == [""]


async def test_a_change_of_slots_without_an_answer_may_have_happened(place: Place) -> None:
    class Silent(Wrapper):
        silent = False

        async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
            if not self.silent or operation.verb == "list":
                return await act()
            if operation.verb == "put":
                raise OutcomeUnknown("no answer")
            if operation.key == manifest_key(2):
                raise Unavailable("no answer")
            return await act()

    silent = Silent(place.objects)
    async with place.process(silent) as store:
        silent.silent = True
        with pytest.raises(OutcomeUnknown):
            await store._add_slot(KEY, "again")
        silent.silent = False


async def test_a_long_history_is_read_a_few_records_at_once(place: Place) -> None:
    class Together(Wrapper):
        now = most = 0

        async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
            self.now += operation.verb == "get"
            self.most = max(self.most, self.now)
            await asyncio.sleep(0)
            try:
                return await act()
            finally:
                self.now -= operation.verb == "get"

    together = Together(place.objects)
    async with place.process(together) as store:
        work = store.workspace("work")
        for n in range(100):
            await work.save(n)
        page = await work.history(limit=100)
        assert [event.version for event in page.items] == list(range(100, 0, -1))
        assert together.most <= 32
