"""The wrappers do to an operation exactly what they were told, and nothing to the others."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from safepoint.errors import OutcomeUnknown, Unavailable
from safepoint.objects.base import ObjectStore, SetsAside
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.testing.contract import ObjectStoreContract
from safepoint.testing.faults import (
    CountingObjects,
    Crash,
    Fault,
    FaultyObjects,
    GatedObjects,
    Operation,
)

pytestmark = pytest.mark.anyio


class TestWrappersWithNothingToDo(ObjectStoreContract):
    @pytest.fixture
    def place(self) -> Callable[[], ObjectStore]:
        inner = MemoryObjects()
        return lambda: GatedObjects(CountingObjects(FaultyObjects(inner)))


CALLS: dict[str, Callable[[ObjectStore], Awaitable[object]]] = {
    "put": lambda store: store.put("k", b"new"),
    "get": lambda store: store.get("k"),
    "list": lambda store: store.list("p/"),
    "delete": lambda store: store.delete("k"),
}
every_call = pytest.mark.parametrize("verb", CALLS)


async def one_object() -> MemoryObjects:
    inner = MemoryObjects()
    await inner.put("k", b"old")
    return inner


def happened(verb: str, body: bytes | None) -> bool:
    return body == {"put": b"new", "delete": None}.get(verb, b"old")


@every_call
async def test_a_refused_operation_does_nothing_and_says_so(verb: str) -> None:
    inner = await one_object()
    faulty = FaultyObjects(inner, {0: Fault.REFUSED})
    with pytest.raises(Unavailable) as caught:
        await CALLS[verb](faulty)
    assert not isinstance(caught.value, OutcomeUnknown)
    assert await inner.get("k") == b"old"
    assert await faulty.get("k") == b"old"


@every_call
async def test_a_lost_response_leaves_the_operation_done(verb: str) -> None:
    inner = await one_object()
    with pytest.raises(Unavailable) as caught:
        await CALLS[verb](FaultyObjects(inner, {0: Fault.LOST_RESPONSE}))
    assert isinstance(caught.value, OutcomeUnknown) == (verb in ("put", "delete"))
    assert happened(verb, await inner.get("k"))


@every_call
async def test_a_time_out_leaves_nothing_done(verb: str) -> None:
    inner = await one_object()
    faulty = FaultyObjects(inner, {0: Fault.TIMED_OUT})
    with pytest.raises(Unavailable) as caught:
        await CALLS[verb](faulty)
    assert isinstance(caught.value, OutcomeUnknown) == (verb in ("put", "delete"))
    await faulty.get("k")
    assert await inner.get("k") == b"old"


async def test_a_late_put_lands_just_before_the_next_operation() -> None:
    inner = MemoryObjects()
    faulty = FaultyObjects(inner, {0: Fault.LATE})
    with pytest.raises(OutcomeUnknown):
        await faulty.put("k", b"late", if_absent=True)
    assert await inner.get("k") is None
    assert await faulty.put("k", b"again", if_absent=True) is False
    assert await inner.get("k") == b"late"


async def test_a_late_put_lands_in_vain_when_the_key_was_taken_meanwhile() -> None:
    inner = MemoryObjects()
    faulty = FaultyObjects(inner, {0: Fault.LATE})
    with pytest.raises(OutcomeUnknown):
        await faulty.put("k", b"late", if_absent=True)
    assert await inner.put("k", b"other", if_absent=True)
    await faulty.land()
    assert await inner.get("k") == b"other"


async def test_a_late_put_of_a_process_that_died_can_still_land() -> None:
    inner = MemoryObjects()
    dead = FaultyObjects(inner, {0: Fault.LATE})
    with pytest.raises(OutcomeUnknown):
        await dead.put("k", b"late", if_absent=True)
    restarted = FaultyObjects(inner)
    assert await restarted.get("k") is None
    await dead.land()
    assert await restarted.get("k") == b"late"


@every_call
@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
async def test_after_a_crash_the_process_is_dead_and_a_new_one_is_not(
    verb: str, fault: Fault
) -> None:
    inner = await one_object()
    faulty = FaultyObjects(inner, {1: fault})
    await faulty.get("k")
    with pytest.raises(Crash):
        await CALLS[verb](faulty)
    after = await inner.get("k")
    assert happened(verb, after) if fault is Fault.CRASH_AFTER else after == b"old"
    for call in CALLS.values():
        with pytest.raises(Crash):
            await call(faulty)
    assert await inner.get("k") == after
    assert await FaultyObjects(inner).get("k") == after


async def test_an_operation_under_way_at_the_crash_gets_no_answer() -> None:
    gated = GatedObjects(await one_object())
    gate = gated.hold("get")
    faulty = FaultyObjects(gated, {1: Fault.CRASH_BEFORE})
    reading = asyncio.create_task(faulty.get("k"))
    await gate.reached.wait()
    with pytest.raises(Crash):
        await faulty.list("p/")
    gate.open()
    with pytest.raises(Crash):
        await reading


def test_no_handler_of_exceptions_survives_a_crash() -> None:
    assert not issubclass(Crash, Exception)


async def test_operations_are_counted_as_they_start() -> None:
    counting = CountingObjects(MemoryObjects())
    await counting.put("a", b"1", if_absent=True)
    await counting.get("a")
    await counting.list("p/", limit=1)
    await counting.delete("a")
    assert counting.operations == [("put", "a"), ("get", "a"), ("list", "p/"), ("delete", "a")]
    assert counting.count("put") == 1
    counting.clear()
    assert counting.operations == []


async def test_a_gate_holds_one_operation_before_it_acts() -> None:
    inner = MemoryObjects()
    gated = GatedObjects(inner)
    gate = gated.hold("put", "k")
    await gated.put("other", b"passes")
    first = asyncio.create_task(gated.put("k", b"first", if_absent=True))
    await gate.reached.wait()
    assert await gated.put("k", b"second", if_absent=True) is True
    gate.open()
    assert await first is False
    assert await inner.get("k") == b"second"


async def test_a_gate_can_hold_the_answer_of_what_was_done() -> None:
    inner = MemoryObjects()
    gated = GatedObjects(inner)
    gate = gated.hold("put", acted=True)
    first = asyncio.create_task(gated.put("k", b"first", if_absent=True))
    await gate.reached.wait()
    assert await inner.get("k") == b"first"
    assert not first.done()
    gate.open()
    assert await first is True


async def test_a_gate_opened_early_does_not_hold() -> None:
    gated = GatedObjects(MemoryObjects())
    gated.hold("get").open()
    assert await gated.get("k") is None


async def test_a_wrapper_sets_aside_when_the_inner_store_does(tmp_path: Path) -> None:
    assert not isinstance(FaultyObjects(MemoryObjects()), SetsAside)
    local = LocalObjects(tmp_path)
    await local.put("k", b"stump", if_absent=True)
    faulty = FaultyObjects(CountingObjects(local), {0: Fault.LOST_RESPONSE})
    assert isinstance(faulty, SetsAside)
    with pytest.raises(OutcomeUnknown):
        await faulty.set_aside("k", b"stump")
    assert await local.get("k") is None
    assert faulty.inner.operations == [Operation("set_aside", "k")]  # type: ignore[attr-defined]


def test_the_faults_need_neither_pytest_nor_hypothesis() -> None:
    program = (
        "import sys, safepoint.testing.faults\n"
        "assert not {'pytest', 'hypothesis', '_pytest'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
