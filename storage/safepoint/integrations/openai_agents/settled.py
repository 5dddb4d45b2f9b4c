"""Changes whose outcome is known before a cancellation goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["settled"]

R = TypeVar("R")


async def settled(change: Coroutine[Any, Any, R]) -> R:
    """What `change` returns or raises. A caller that is cancelled meanwhile, however often, gets
    the CancelledError when the change is durable or has failed, never while that is open."""
    task = asyncio.create_task(change)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = cancelled or error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        cancelled.__cause__ = task.exception()
    raise cancelled
