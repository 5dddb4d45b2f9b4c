"""Blocking calls of an S3 client in threads of their own, given up when their time is over."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from safepoint.objects._s3_failures import ERRORS, Failure, judge, no_answer

__all__ = ["Calls", "genuine"]

T = TypeVar("T")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 3.0


class Calls:
    """At most `threads` calls at once; others wait their turn within their own time limits.

    `repeats` counts those that were made again.
    """

    def __init__(self, threads: int) -> None:
        self.repeats = 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="safepoint-s3")

    async def run(self, call: Callable[[], T], give_up: float) -> T | Failure:
        """What `call` returns, or what its error means.

        A call that is still under way at `give_up` (of time.monotonic) goes on in its thread, and
        nobody will learn how it ends.
        """
        future = self._threads.submit(call)
        waiting = asyncio.wrap_future(future)
        waiting.add_done_callback(_heard)
        try:
            await asyncio.wait({waiting}, timeout=max(0.0, give_up - time.monotonic()))
            if not waiting.done():
                return no_answer(began=not future.cancel())
        finally:
            future.cancel()
        if waiting.cancelled():  # the store was closed
            return no_answer(began=False)
        try:
            return waiting.result()
        except ERRORS as error:
            return judge(error)

    async def pause(self, attempt: int, last_start: float) -> bool:
        """Wait before a repetition: exponential, full jitter. False if it would start too late."""
        wait = random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt, 10)))  # noqa: S311
        if time.monotonic() + wait >= last_start:
            return False
        await asyncio.sleep(wait)
        self.repeats += 1
        return True

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def genuine(answer: dict[str, Any], sign: str) -> dict[str, Any]:
    """The answer, if it has the `sign` that every answer of S3 to such a call has.

    A gateway's page with status 200 would else pass for an empty list or for a stored object.
    """
    if sign not in answer:
        raise ResponseParserError(f"an answer without {sign}")
    return answer


def _heard(waiting: asyncio.Future[T]) -> None:
    """So that nobody complains about the error of a call that was given up."""
    if not waiting.cancelled():
        waiting.exception()
