"""What each command means: pure functions from a document and a context to an outcome."""

from safepoint.log.transitions.approval import Ask
from safepoint.log.transitions.artifact import RemoveArtifact, SaveArtifacts
from safepoint.log.transitions.base import NO_CHANGE, Command, Context, Outcome, StateChange
from safepoint.log.transitions.decide import Consume, Decide, Withdraw
from safepoint.log.transitions.delete import Delete
from safepoint.log.transitions.fork import BeginFork, RecordFork
from safepoint.log.transitions.mark import Mark
from safepoint.log.transitions.plan import PlanSteps
from safepoint.log.transitions.rewind import Rewind
from safepoint.log.transitions.runs import StartNewRun
from safepoint.log.transitions.save import Save
from safepoint.log.transitions.start import Start

__all__ = [
    "NO_CHANGE",
    "Ask",
    "BeginFork",
    "Command",
    "Consume",
    "Context",
    "Decide",
    "Delete",
    "Mark",
    "Outcome",
    "PlanSteps",
    "RecordFork",
    "RemoveArtifact",
    "Rewind",
    "Save",
    "SaveArtifacts",
    "Start",
    "StartNewRun",
    "StateChange",
    "Withdraw",
]
