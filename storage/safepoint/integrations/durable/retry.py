"""Which failures are tried again, how often, and after how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

from safepoint.errors import InvalidInput
from safepoint.values import dataclass

__all__ = ["Retry", "as_retry"]

Which: TypeAlias = "type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]"


@dataclass(frozen=True, slots=True)
class Retry:
    """At most `retries` further attempts, the first after about `first`, each later one after
    `factor` times as long, at most `longest`.

    Each delay is drawn from the upper part of itself that `jitter` says: 0.5 is the upper half.
    `on` are the exceptions after which another attempt makes sense: types, or a function.
    """

    retries: int = 3
    first: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    longest: timedelta = timedelta(minutes=1)
    jitter: float = 0.5
    on: Which = Exception

    def __post_init__(self) -> None:
        wrong = (
            self.retries < 0
            or not timedelta() <= self.first <= timedelta(days=300)
            or not timedelta() <= self.longest <= timedelta(days=300)
            or not 1 <= self.factor <= 1000
            or not 0 <= self.jitter <= 1
        )
        if wrong:
            raise InvalidInput(
                "retries, first and longest must not be negative (nor above 300 days), factor at "
                "least 1, and jitter between 0 and 1",
                hint="Retry() is 3 retries after about 1, 2 and 4 seconds.",
                code="bad_retry",
            )

    def allows(self, error: Exception, attempts: int) -> bool:
        """Whether to try again after `attempts` attempts, the last of which raised `error`."""
        if attempts > self.retries:
            return False
        if isinstance(self.on, type | tuple):
            return isinstance(error, self.on)
        return self.on(error)

    def delay(self, attempts: int, chance: float) -> timedelta:
        """How long to wait after that many attempts. `chance` is between 0 and 1."""
        longest = self.longest.total_seconds()
        seconds = self.first.total_seconds()
        for _ in range(attempts - 1):
            if seconds >= longest or self.factor == 1:
                break
            seconds *= self.factor
        return timedelta(seconds=min(seconds, longest) * (1 - self.jitter * chance))


def as_retry(retries: int | Retry) -> Retry:
    """A number of retries as the policy that it stands for."""
    return retries if isinstance(retries, Retry) else Retry(retries)
