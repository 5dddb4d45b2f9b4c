"""The seam for those who watch a store: what it does, how long that takes and how it ends."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final, Protocol, TypeAlias

from safepoint.errors import SafepointError

__all__ = ["Facts", "Guarded", "Observer", "observed", "outcome_of"]

logger = logging.getLogger("safepoint")

Facts: TypeAlias = dict[str, int | str]
"""What is known of an operation at its end: numbers and words out of a fixed list. Never a name,
a key, or anything that a client chose or stored."""

_UNWATCHED: Final = nullcontext()


class Observer(Protocol):
    """Is told of every operation of an open store. It must return at once and never raise."""

    def operation(self, name: str, facts: Facts, /) -> AbstractContextManager[object]:
        """Entered when an operation begins and left when it ends, both in its task, or, for one
        of the place that is a generator, wherever that is advanced.

        `name` is `commit` (facts: `version`, `bytes` stored, `conflicts` lost to other writers;
        `outcome` `unchanged` when there was nothing to commit), `load` (of the newest version:
        `version`, `bytes` of the state), or a verb of ObjectStore and the protocols beside it
        (`bytes` as far as it moved some; `outcome` `exists` when another object has the name,
        `absent` when there is none). A commit or a load contains operations of the place.
        `outcome_of` tells how it ended, when it is left.
        """


class Guarded:
    """An observer that others wrote, kept from changing what it watches: a commit that is durable
    must not look like one that failed. What it raises is logged once, and ignored."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self._warned = False

    def operation(self, name: str, facts: Facts, /) -> AbstractContextManager[object]:
        """See Observer.operation."""
        return _Guard(self, name, facts)

    def failed(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            kind = type(error).__name__
            logger.warning("the observer fails (%s); what it watches goes on", kind)


class _Guard:
    __slots__ = ("_facts", "_guarded", "_inner", "_name")

    def __init__(self, guarded: Guarded, name: str, facts: Facts) -> None:
        self._guarded = guarded
        self._name = name
        self._facts = facts
        self._inner: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        try:
            inner = self._guarded.observer.operation(self._name, self._facts)
            inner.__enter__()
            self._inner = inner
        except Exception as failure:  # the edge: it is no part of what this library does
            self._guarded.failed(failure)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace_back: TracebackType | None,
    ) -> None:
        if self._inner is None:
            return
        try:
            self._inner.__exit__(kind, error, trace_back)
        except Exception as failure:  # as above
            if failure is not error:
                self._guarded.failed(failure)


def observed(observer: Observer | None, name: str, facts: Facts) -> AbstractContextManager[object]:
    """See Observer.operation; without an observer nothing at all."""
    return _UNWATCHED if observer is None else observer.operation(name, facts)


def outcome_of(facts: Facts, error: BaseException | None) -> str:
    """How an operation ended: `ok` or the word in its facts, the code of its error, `cancelled`
    when nobody waited any more, or `internal` for what should not happen. Who has read enough of
    a stream did not fail."""
    if error is None or isinstance(error, GeneratorExit):
        return str(facts.get("outcome", "ok"))
    if isinstance(error, SafepointError):
        return error.code
    return "cancelled" if isinstance(error, CancelledError) else "internal"
