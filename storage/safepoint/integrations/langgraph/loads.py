"""What the calling context last loaded of a thread, to tell a lost update from a branch on purpose.

LangGraph hands a put only its parent. A run that loaded the newest checkpoint means to go on from
the newest; one that asked for a checkpoint by its id means to branch off there. The run is told by
its context (`contextvars`), which LangGraph copies into its tasks and threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import field, replace
from types import MappingProxyType

from safepoint.values import dataclass

__all__ = ["Loads"]

_KEPT = 64


@dataclass(frozen=True, slots=True)
class _Load:
    """`newest` is the id that a load of the newest gave, empty for none there, None if there was no
    such load since `asked`, the id that was asked for."""

    asked: str | None = None
    newest: str | None = None


_loads: ContextVar[Mapping[tuple[object, str, str], _Load]] = ContextVar(
    "safepoint_langgraph_loads", default=MappingProxyType({})
)


@dataclass(frozen=True, slots=True)
class Loads:
    """The loads through one saver, by thread and namespace."""

    owner: object = field(default_factory=object)

    def note(self, thread: str, ns: str, *, asked: str | None, found: str | None) -> None:
        """A load in this context: of the id `asked`, or of the newest, which was `found`."""
        known = self._of(thread, ns) or _Load()
        load = _Load(asked) if asked else replace(known, newest=found or "")
        kept = dict(_loads.get())
        kept.pop(key := (self.owner, thread, ns), None)
        while len(kept) >= _KEPT:
            del kept[next(iter(kept))]
        _loads.set({**kept, key: load})

    def goes_on(self, thread: str, ns: str, parent: str | None) -> bool:
        """Whether a put on `parent` in this context means to go on from the newest checkpoint.

        An older parent than what was loaded is a branch, and so is the one that was asked for
        when it was not the newest.
        """
        load = self._of(thread, ns)
        if load is None:
            return False
        if parent is not None and parent == load.asked != load.newest:
            return False
        since = load.asked if load.newest is None else load.newest
        return (parent or "") >= (since or "")

    def _of(self, thread: str, ns: str) -> _Load | None:
        return _loads.get().get((self.owner, thread, ns))
