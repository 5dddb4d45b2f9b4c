"""One workspace opened by somebody: its log, who commits, and what every operation on it shares."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from safepoint.errors import InvalidInput
from safepoint.format.jsontext import check_json, write_json
from safepoint.format.keys import encode_name
from safepoint.log.commit import Committed, Committer
from safepoint.log.log import Head, Log, off_loop
from safepoint.log.registry import OpenLog
from safepoint.log.transitions.base import NO_CHANGE, Command, StateChange, no_workspace
from safepoint.model import JSON, Actor, Limits, Unset
from safepoint.observer import Facts, observed
from safepoint.values import dataclass

__all__ = ["Handle", "check_name"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Handle:
    """What a Workspace and its parts hold. `other` opens another workspace of the same store for
    the same actor."""

    name: str
    opened: OpenLog
    actor: Actor
    limits: Limits
    clock: Callable[[], datetime]
    other: Callable[[str], Handle]

    @property
    def log(self) -> Log:
        return self.opened.log

    @property
    def committer(self) -> Committer:
        return self.opened.committer

    async def commit(
        self, command: Command[R], *, size: int = 0, by: Actor | None = None
    ) -> Committed[R]:
        """See Committer.commit. `by` is another actor to whom it is attributed."""
        return await self.committer.commit(command, by or self.actor, size=size)

    async def existing(self) -> Head:
        """The newest version, durable. Raises NotFound when the workspace does not exist."""
        facts: Facts = {}
        with observed(self.log.shared.observer, "load", facts):
            head = await self.log.durable_head()
            facts["version"], facts["bytes"] = head.version, len(head.document.state or b"")
        if not head.exists:
            raise no_workspace(self.name, deleted=bool(head.version))
        return head

    async def encoded(self, value: JSON | Unset) -> bytes | None:
        """A client's JSON as it is stored, None for UNSET. Raises InvalidInput."""
        if isinstance(value, Unset):
            return None
        depth = self.limits.depth
        text = write_json(value, max_depth=depth)
        size = sys.maxsize if text is None else len(text)
        return await off_loop(size, check_json, value, text, max_depth=depth)

    async def change(self, state: JSON | Unset, patch: JSON | Unset) -> StateChange:
        """A new state, or a patch to it, as a command takes it. Raises InvalidInput."""
        if not isinstance(state, Unset) and not isinstance(patch, Unset):
            raise InvalidInput("state and patch exclude each other", hint="Give one of them.")
        text = await self.encoded(state if isinstance(patch, Unset) else patch)
        if text is None:
            return NO_CHANGE
        if isinstance(patch, Unset):
            return StateChange(whole=text, size=len(text))
        return StateChange(patch=text, size=len(text))

    def now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)


def check_name(name: str, max_chars: int) -> None:
    """Raises InvalidInput unless a workspace may have this name."""
    encode_name(name)
    if not name or len(name) > max_chars:
        raise InvalidInput(
            f"a workspace name has 1 to {max_chars} characters, not {len(name)}",
            hint="Use a short name for the task, such as 'release-notes'.",
            code="bad_name",
        )
