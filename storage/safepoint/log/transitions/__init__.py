"""What each command means: pure functions from a document and a context to an outcome."""

from safepoint.log.transitions.approval import Ask
from safepoint.log.transitions.base import NO_CHANGE, Command, Context, Outcome, StateChange
from safepoint.log.transitions.decide import Consume, Decide, Withdraw
from safepoint.log.transitions.delete import Delete
from safepoint.log.transitions.mark import Mark
from safepoint.log.transitions.plan import PlanSteps
from safepoint.log.transitions.save import Save
from safepoint.log.transitions.start import Start

__all__ = [
    "NO_CHANGE",
    "Command",
    "Context",
    "Delete",
    "Ask",
    "BeginFork",
    "Mark",
    "Consume",
    "Outcome",
    "Decide",
    "PlanSteps",
    "Save",
    "Start",
    "StateChange",
]
    "Withdraw",
