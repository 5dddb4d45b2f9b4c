"""`safepoint` run so that it tells, when asked by SIGUSR1, how many asyncio tasks it has.

Nothing else differs from the program itself. `$BENCH_WATCH` is the file that each answer is added
to, as a line.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from safepoint_server.cli import main

__all__ = ["WATCH"]

WATCH = "BENCH_WATCH"


def _tell(number: int, frame: object) -> None:
    """Runs between two steps of the event loop, in its thread."""
    with open(os.environ[WATCH], "a") as file:
        file.write(f"{len(asyncio.all_tasks())}\n")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _tell)
    sys.exit(main())
