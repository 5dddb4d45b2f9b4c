"""Object stores that misbehave on purpose, count, or wait: wrappers round any ObjectStore.

They have its interface, and `set_aside` when it has. Nothing here imports pytest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import NamedTuple, TypeVar

from safepoint.errors import OutcomeUnknown, Unavailable
from safepoint.objects._wrapper import Operation, Wrapper
from safepoint.objects.base import ObjectStore

__all__ = [
    "CountingObjects",
    "Crash",
    "Fault",
    "FaultyObjects",
    "Gate",
    "GatedObjects",
    "Operation",
]

T = TypeVar("T")

_CHANGES = {"put", "delete", "set_aside"}
_MAY_HAVE_CHANGED = _CHANGES | {"put_stream"}


class Crash(BaseException):
    """The process died here. No `except Exception` survives it, as none survives SIGKILL."""


class Fault(StrEnum):
    """What goes wrong with one operation. Reads that get no answer raise Unavailable."""

    REFUSED = "refused"  # nothing happens; Unavailable
    LOST_RESPONSE = "lost_response"  # it happens; OutcomeUnknown
    TIMED_OUT = "timed_out"  # nothing happens; OutcomeUnknown
    LATE = "late"  # OutcomeUnknown; it happens just before the next operation, streams never do
    CRASH_BEFORE = "crash_before"  # nothing happens; Crash, now and at every later operation
    CRASH_AFTER = "crash_after"  # it happens; Crash, now and at every later operation


class FaultyObjects(Wrapper):
    """Gives chosen operations, numbered 0, 1, 2 … in the order in which they start, a Fault.

    After a crash this value is the dead process: every operation, also one under way, ends in
    Crash. A new wrapper round the same inner store is the process that was started again.
    """

    def __init__(self, inner: ObjectStore, schedule: Mapping[int, Fault] | None = None) -> None:
        super().__init__(inner)
        self.schedule = dict(schedule or {})
        self.operations = 0
        self.crashed = False
        self._late: list[Callable[[], Awaitable[object]]] = []

    async def land(self) -> None:
        """Let everything that is late happen now, as a request does whose sender has died."""
        while self._late:
            await self._late.pop(0)()

    async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
        if self.crashed:
            raise Crash(str(operation))
        fault = self.schedule.get(self.operations)
        self.operations += 1
        await self.land()
        match fault:
            case None:
                answer = await act()
                if self.crashed:
                    raise Crash(str(operation))
                return answer
            case Fault.REFUSED:
                raise Unavailable(f"{operation} was refused, as scheduled")
            case Fault.CRASH_BEFORE:
                self.crashed = True
                raise Crash(str(operation))
            case Fault.CRASH_AFTER:
                await act()
                self.crashed = True
                raise Crash(str(operation))
            case Fault.LOST_RESPONSE:
                await act()
            case Fault.LATE if operation.verb in _CHANGES:
                self._late.append(act)
            case Fault.LATE | Fault.TIMED_OUT:
                pass
        unanswered = OutcomeUnknown if operation.verb in _MAY_HAVE_CHANGED else Unavailable
        raise unanswered(f"{operation} got no answer, as scheduled")


class CountingObjects(Wrapper):
    """Records every operation as it starts, so that a test can count the requests of a call."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.operations: list[Operation] = []

    def count(self, verb: str) -> int:
        """How often `verb` was called since the last `clear`."""
        return sum(operation.verb == verb for operation in self.operations)

    def clear(self) -> None:
        """Forget what was recorded."""
        self.operations.clear()

    async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
        self.operations.append(operation)
        return await act()


class Gate:
    """Holds one operation. Wait for `reached`, do what should come in between, then `open` it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let the operation, held now or later, go on."""
        self._opened.set()

    async def _pass(self) -> None:
        self.reached.set()
        await self._opened.wait()


class _Held(NamedTuple):
    gate: Gate
    verb: str
    key: str | None
    acted: bool


class GatedObjects(Wrapper):
    """Stops chosen operations until the test lets them go on, so that tasks interleave as told."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self._held: list[_Held] = []

    def hold(self, verb: str, key: str | None = None, *, acted: bool = False) -> Gate:
        """A gate for the next operation with this verb, and key if one is given.

        It is held before it acts, or with `acted` after: done, the answer not yet received.
        """
        held = _Held(Gate(), verb, key, acted)
        self._held.append(held)
        return held.gate

    async def around(self, operation: Operation, act: Callable[[], Awaitable[T]]) -> T:
        held = self._take(operation)
        if held and not held.acted:
            await held.gate._pass()
        answer = await act()
        if held and held.acted:
            await held.gate._pass()
        return answer

    def _take(self, operation: Operation) -> _Held | None:
        for at, held in enumerate(self._held):
            if held.verb == operation.verb and held.key in (None, operation.key):
                return self._held.pop(at)
        return None
