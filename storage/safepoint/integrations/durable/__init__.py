"""Durable steps: plain Python programs that are killed, started again, and carry on.

async with workspace.durable() as run:
    page = await run.step("fetch", fetch, url, retries=3)
"""

from safepoint.integrations.durable.context import StepContext, current_step
from safepoint.integrations.durable.decorator import DurableStep, durable_step
from safepoint.integrations.durable.outcomes import (
    LeaseLost,
    NotApproved,
    StepBlocked,
    StepFailed,
    Suspended,
)
from safepoint.integrations.durable.recorded import Codec, dataclass_codec
from safepoint.integrations.durable.retry import Retry
from safepoint.integrations.durable.run import Durable, DurableRun
from safepoint.integrations.durable.waiting import Timing

__all__ = [
    "Codec",
    "Durable",
    "DurableRun",
    "DurableStep",
    "LeaseLost",
    "NotApproved",
    "Retry",
    "StepBlocked",
    "StepContext",
    "StepFailed",
    "Suspended",
    "Timing",
    "current_step",
    "dataclass_codec",
    "durable_step",
]
