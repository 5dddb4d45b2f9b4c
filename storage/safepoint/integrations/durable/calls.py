"""Calling what a step was given: coroutine functions on the loop, all others in threads."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from safepoint.integrations.durable.context import STEP, StepContext

__all__ = ["Calls"]


class Calls:
    """Threads of its own: steps that fill them do not keep the store, and with it the renewal of
    leases, from the threads that these need."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None

    async def call(
        self, context: StepContext, function: Callable[..., Any], args: tuple[Any, ...]
    ) -> Any:
        """The result of `function(*args)`, which sees `context` as the current step.

        Cancelling it cancels a coroutine; a thread is waited for, since nothing can stop it.
        """
        STEP.set(context)  # runs in a task of its own, so nobody else sees it
        if _is_async(function):
            return await function(*args)
        result = await self._in_thread(functools.partial(function, *args))
        return await result if inspect.isawaitable(result) else result

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None

    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="safepoint-step")
        running = self._pool.submit(copy_context().run, _called, function)
        future = asyncio.wrap_future(running)
        while True:
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                if running.cancel() or running.cancelled():
                    raise  # it had not begun


def _called(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except StopIteration as error:  # which no future can carry
        raise RuntimeError("the step raised StopIteration") from error


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    call = getattr(function, "__call__", None)  # noqa: B004 - objects with an async __call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
