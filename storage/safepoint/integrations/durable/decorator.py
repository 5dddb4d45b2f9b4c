"""Functions that are durable steps wherever they are called inside a durable run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from safepoint.errors import InvalidInput
from safepoint.integrations.durable.context import current_run
from safepoint.integrations.durable.recorded import Codec
from safepoint.integrations.durable.retry import Retry

__all__ = ["DurableStep", "durable_step"]

P = ParamSpec("P")
R = TypeVar("R")


class DurableStep(Generic[P, R]):
    """Made by `durable_step`. `function` is the function itself, which runs without a record."""

    def __init__(
        self,
        function: Callable[P, Any],
        name: str | None,
        *,
        retries: int | Retry,
        unrecorded: tuple[str, ...],
        codec: Codec[R] | None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._signature = inspect.signature(function)
        self._name = function.__name__ if name is None else name
        self._retries = retries
        self._unrecorded = unrecorded
        self._codec = codec
        unknown = set(unrecorded) - set(self._signature.parameters)
        if unknown:
            raise InvalidInput(
                f"{self._name!r} has no argument {sorted(unknown)[0]!r}",
                hint="`unrecorded` names arguments of the decorated function.",
            )

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of the step of the current run that has this name for these arguments.

        Raises what `DurableRun.step` raises, and InvalidInput (`no_run`) outside of a run.
        """
        bound = self._signature.bind(*args, **kwargs)
        given = {k: v for k, v in bound.arguments.items() if k not in self._unrecorded}
        bound.apply_defaults()
        result: R = await current_run().step(
            self._name.format_map(bound.arguments),
            functools.partial(self.function, *args, **kwargs),
            input=given or None,
            retries=self._retries,
            codec=self._codec,
        )
        return result

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        method = cast("Callable[..., Any]", self)
        return self if instance is None else functools.partial(method, instance)


class _Decorator(Protocol):
    @overload
    def __call__(self, function: Callable[P, Awaitable[R]]) -> DurableStep[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> DurableStep[P, R]: ...


def durable_step(
    name: str | None = None,
    *,
    retries: int | Retry = 0,
    unrecorded: tuple[str, ...] = (),
    codec: Codec[Any] | None = None,
) -> _Decorator:
    """Make a function a durable step: `await fetch(url)` is then a step of the run around it.

    `name` is that of the function unless given, and may hold its arguments: `"fetch {url}"` makes
    each url a step of its own. Arguments are JSON, apart from those that `unrecorded` names, such
    as connections, or the `self` of a method. See `DurableRun.step` for the rest.
    """

    def decorate(function: Callable[..., Any]) -> DurableStep[..., Any]:
        return DurableStep(function, name, retries=retries, unrecorded=unrecorded, codec=codec)

    return cast(_Decorator, decorate)
