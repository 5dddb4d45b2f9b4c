"""How a step or a wait ends otherwise than with a value.

SafepointError
├── Suspended               come back later: nothing is wrong, nothing is lost
├── StepFailed              the step has failed for good, in this process or an earlier one
└── Conflict
    ├── StepBlocked         other steps or an approval have to come first
    ├── NotApproved         a person said no, or nobody said yes in time
    └── LeaseLost           the step may not go on here: another attempt may have begun
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from safepoint.errors import Conflict, SafepointError
from safepoint.model import Approval

__all__ = ["LeaseLost", "NotApproved", "StepBlocked", "StepFailed", "Suspended"]


class _Pickled(SafepointError):
    """Keeps the attributes of its subclasses in pickles."""

    _kept: ClassVar[tuple[str, ...]] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        kept = {name: getattr(self, name) for name in self._kept}
        return (_rebuild, (type(self), self.message, self.hint, self.code, kept))


class Suspended(_Pickled):
    """The program has nothing to do now and need not stay. Start it again: at `until`, or when
    what it waits for has happened, as `safepoint due` lists."""

    default_code = "suspended"
    _kept = ("until",)

    def __init__(self, message: str, *, hint: str, until: datetime | None = None) -> None:
        super().__init__(message, hint=hint)
        self.until = until


class StepFailed(_Pickled):
    """What the step failed with is `error`; it is not tried again by itself."""

    default_code = "step_failed"
    _kept = ("step", "error", "attempts")

    def __init__(
        self, message: str, *, hint: str, step: str, error: str | None, attempts: int
    ) -> None:
        super().__init__(message, hint=hint)
        self.step = step
        self.error = error
        self.attempts = attempts


class StepBlocked(_Pickled, Conflict):
    """`needs` are steps to be finished first, `approvals` what people have to approve first."""

    default_code = "step_blocked"
    _kept = ("step", "needs", "approvals")

    def __init__(
        self,
        message: str,
        *,
        hint: str,
        step: str,
        needs: tuple[str, ...] = (),
        approvals: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.step = step
        self.needs = needs
        self.approvals = approvals


class NotApproved(_Pickled, Conflict):
    """`approval` says how the question stands, who decided and with which comment."""

    default_code = "not_approved"
    _kept = ("approval",)

    def __init__(self, message: str, *, hint: str, approval: Approval) -> None:
        super().__init__(message, hint=hint)
        self.approval = approval


class LeaseLost(_Pickled, Conflict):
    """Nothing of this attempt is recorded any more; its effect outside may have happened."""

    default_code = "lease_lost"
    _kept = ("step",)

    def __init__(self, message: str, *, hint: str, step: str) -> None:
        super().__init__(message, hint=hint)
        self.step = step


def _rebuild(
    kind: type[SafepointError], message: str, hint: str, code: str, kept: dict[str, Any]
) -> SafepointError:
    error = kind(message, hint=hint, **kept)
    error.code = code
    return error
