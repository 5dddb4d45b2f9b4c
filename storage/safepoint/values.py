"""The `dataclass` of frozen values. It makes what the standard one makes, but the methods that this
writes for each class are written when they are first used: most processes use few of all kinds
of values, and writing the rest was a third of the time that importing this library took.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, fields, is_dataclass, make_dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")


def _dataclass(
    *, frozen: bool = False, slots: bool = False, repr: bool = True, kw_only: bool = False
) -> Callable[[type[T]], type[T]]:
    """See dataclasses.dataclass, which makes those that are not frozen or have no slots. Nobody
    can tell the class from its: who makes, compares, shows, copies or pickles values, derives
    another dataclass, or looks at its fields and signature. `InitVar` is not taken.

    What runs without this library (hooks, setup, the demo's agents) keeps the standard one.
    """
    if not (frozen and slots):
        return dataclasses.dataclass(frozen=frozen, slots=slots, repr=repr, kw_only=kw_only)

    def made(cls: type[T]) -> type[T]:
        cls.__doc__ = cls.__doc__ or cls.__name__  # else its signature is looked at, for one
        derived = any(is_dataclass(base) for base in cls.__bases__)  # only a frozen one may be
        unwritten = dataclasses.dataclass(
            init=False, repr=False, eq=False, frozen=derived, slots=True, kw_only=kw_only
        )
        kind: Any = unwritten(cls)
        kind.__dataclass_params__.frozen = True
        for name, method in _SHARED.items():
            setattr(kind, name, method)
        for name in ("__init__", "__eq__", "__hash__", *(("__repr__",) if repr else ())):
            if vars(cls).get(name) is None:
                setattr(kind, name, _Unwritten(kind, name))
        return kind  # type: ignore[no-any-return]

    return made


class _Unwritten:
    """Stands for a method of `kind`, and writes it when it is looked up."""

    def __init__(self, kind: type[Any], name: str) -> None:
        self._kind = kind
        self._name = name

    def __get__(self, value: object, owner: type[Any]) -> Any:
        method = _written(self._kind, self._name)
        setattr(self._kind, self._name, method)
        return method.__get__(value, owner)


def _written(kind: Any, name: str) -> Any:
    """The method that a dataclass with the same name and fields has."""
    namespace = {"__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    if hasattr(kind, "__post_init__"):
        namespace["__post_init__"] = kind.__post_init__
    twin = make_dataclass(
        kind.__name__,
        [(one.name, one.type, _unbound(one)) for one in fields(kind)],
        namespace=namespace,
        init=name == "__init__",
        repr=name == "__repr__",
        eq=name in ("__eq__", "__hash__"),
        frozen=True,
        slots=True,
    )
    return vars(twin)[name]


def _unbound(one: dataclasses.Field[Any]) -> Any:
    """A field like this one, of no class yet."""
    rest: Any = {"default": one.default, "default_factory": one.default_factory}
    return field(
        init=one.init,
        repr=one.repr,
        hash=one.hash,
        compare=one.compare,
        kw_only=one.kw_only,
        **rest,
    )


def _set(self: Any, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, one.name) for one in fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for one, value in zip(fields(self), state, strict=False):  # as the standard one does
        object.__setattr__(self, one.name, value)


_SHARED: Final[dict[str, Callable[..., Any]]] = {
    "__setattr__": _set,
    "__delattr__": _delete,
    "__getstate__": _state,
    "__setstate__": _restore,
}

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _dataclass
