"""A value is what the standard dataclass would have made, whenever its methods are written.

Every test runs on both: what holds for one and not for the other is a difference.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, field
from threading import Barrier
from types import SimpleNamespace
from typing import Any, ClassVar, Generic, TypeVar

import pytest
from pydantic import TypeAdapter

from safepoint.values import dataclass as own

T = TypeVar("T")


def kinds(dataclass: Any, place: str) -> SimpleNamespace:
    """The same classes by one decorator or the other, which pickle finds at `place`."""

    @dataclass(frozen=True, slots=True)
    class Point:
        """A place."""

        __qualname__ = f"{place}.Point"
        made: ClassVar[int] = 7
        x: int
        y: int = 2
        tags: list[str] = field(default_factory=list, compare=False)
        secret: str = field(default="", repr=False)
        cached: str | None = field(init=False, default=None, repr=False, compare=False)

        def sum(self) -> int:
            return self.x + self.y

    @dataclass(frozen=True, slots=True)
    class Named(Point):
        __qualname__ = f"{place}.Named"
        name: str = "here"

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Options:
        __qualname__ = f"{place}.Options"
        size: int
        depth: int = 1

    @dataclass(frozen=True, slots=True)
    class Checked(Generic[T]):
        __qualname__ = f"{place}.Checked"
        value: T

        def __post_init__(self) -> None:
            if not self.value:
                raise ValueError("empty")

    @dataclass(frozen=True, slots=True, repr=False)
    class Hidden:
        __qualname__ = f"{place}.Hidden"
        key: bytes

    @dataclass(frozen=True, slots=True)
    class Own:
        __qualname__ = f"{place}.Own"
        word: str

        def __repr__(self) -> str:
            return f"<{self.word}>"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own) and self.word.lower() == other.word.lower()

    @dataclass(slots=True)
    class Counter:
        __qualname__ = f"{place}.Counter"
        count: int = 0

    return SimpleNamespace(**{name: kind for name, kind in locals().items() if name[0].isupper()})


Standards = kinds(dataclasses.dataclass, "Standards")
Ourselves = kinds(own, "Ourselves")


@pytest.fixture(params=[dataclasses.dataclass, own], ids=["standard", "own"])
def made(request: pytest.FixtureRequest) -> SimpleNamespace:
    """Classes that nothing has used before."""
    return kinds(request.param, "nowhere")


@pytest.fixture(params=[Standards, Ourselves], ids=["standard", "own"])
def there(request: pytest.FixtureRequest) -> SimpleNamespace:
    """Those that pickle finds."""
    return request.param


def told(act: Callable[[], object], kind: type[Exception] = TypeError) -> str:
    with pytest.raises(kind) as caught:
        act()
    return str(caught.value)


def test_it_has_what_it_is_given_and_defaults_for_the_rest(made: SimpleNamespace) -> None:
    one, two = made.Point(1), made.Point(1, 3, ["a"], secret="s")
    assert (one.x, one.y, one.tags, one.secret, one.cached) == (1, 2, [], "", None)
    assert (two.x, two.y, two.tags, two.secret, two.sum()) == (1, 3, ["a"], "s", 4)
    assert one.tags is not made.Point(1).tags
    assert made.Named(1, name="there").name == "there"
    assert not hasattr(one, "__dict__")


def test_a_wrong_call_says_what_is_wrong_with_it() -> None:
    for ours, theirs in (
        (Ourselves.Point, Standards.Point),
        (Ourselves.Options, Standards.Options),
    ):
        for args, named in (((), {}), ((1, 2, [], "", None, 6), {}), ((1,), {"z": 1})):
            words = told(lambda: ours(*args, **named))  # noqa: B023
            assert words == told(lambda: theirs(*args, **named)).replace("Standards", "Ourselves")  # noqa: B023


def test_values_with_the_same_fields_are_the_same(made: SimpleNamespace) -> None:
    assert made.Point(1, tags=["a"]) == made.Point(1, tags=["b"])
    assert made.Point(1) != made.Point(2)
    assert made.Point(1) != made.Named(1)
    assert hash(made.Point(1)) == hash(made.Point(1, tags=["a"]))
    assert len({made.Point(1), made.Point(1), made.Point(1, 3)}) == 2


def test_their_hash_can_be_the_first_that_is_asked_for(made: SimpleNamespace) -> None:
    assert {made.Options(size=1): "one"}[made.Options(size=1)] == "one"


def test_it_shows_its_fields_but_for_those_that_are_hidden(made: SimpleNamespace) -> None:
    assert repr(made.Point(1, secret="s")) == "nowhere.Point(x=1, y=2, tags=[])"
    assert repr(made.Options(size=3)) == "nowhere.Options(size=3, depth=1)"
    assert "s3cret" not in repr(made.Hidden(b"s3cret"))


def test_what_a_class_defines_itself_stays(made: SimpleNamespace) -> None:
    assert repr(made.Own("Hi")) == "<Hi>"
    assert made.Own("Hi") == made.Own("hi")
    with pytest.raises(ValueError, match="empty"):
        made.Checked("")
    assert made.Checked("full").value == "full"


def test_nothing_of_it_can_be_set_or_deleted(made: SimpleNamespace) -> None:
    point = made.Point(1)
    for name in ("x", "cached"):
        error = told(lambda: setattr(point, name, 5), FrozenInstanceError)  # noqa: B023
        assert error == f"cannot assign to field {name!r}"
        error = told(lambda: delattr(point, name), FrozenInstanceError)  # noqa: B023
        assert error == f"cannot delete field {name!r}"
    assert point == made.Point(1)


def test_one_that_is_not_frozen_can_be_set(made: SimpleNamespace) -> None:
    counter = made.Counter()
    counter.count += 1
    assert counter == made.Counter(1)
    with pytest.raises(TypeError, match="unhashable"):
        hash(counter)


def test_it_can_be_pickled(there: SimpleNamespace) -> None:
    for value in (there.Point(1, tags=["a"], secret="s"), there.Named(1), there.Options(size=1)):
        again = pickle.loads(pickle.dumps(value))
        assert again == value
        assert type(again) is type(value)
    assert pickle.loads(pickle.dumps(there.Point(1, tags=["a"]))).tags == ["a"]


def test_a_pickle_of_one_opens_as_the_other() -> None:
    theirs = pickle.dumps(Standards.Named(1, 3, ["a"], name="n"))
    ours = pickle.dumps(Ourselves.Named(1, 3, ["a"], name="n"))
    assert ours == theirs.replace(b"Standards", b"Ourselves")


def test_it_can_be_copied_and_changed_in_a_copy(made: SimpleNamespace) -> None:
    point = made.Point(1, tags=["a"])
    assert copy.copy(point).tags is point.tags
    assert copy.deepcopy(point).tags is not point.tags
    assert dataclasses.replace(point, y=5) == made.Point(1, 5)
    assert dataclasses.asdict(made.Options(size=2)) == {"size": 2, "depth": 1}
    match made.Point(1, 9):
        case made.Point(x, y):
            assert (x, y) == (1, 9)


def test_tools_see_what_it_takes_before_it_is_used(made: SimpleNamespace) -> None:
    assert list(inspect.signature(made.Options).parameters) == ["size", "depth"]
    assert [each.name for each in dataclasses.fields(made.Named)][-2:] == ["cached", "name"]
    assert inspect.signature(made.Point) == inspect.signature(Standards.Point)
    assert inspect.signature(made.Point.__init__).parameters["self"]
    assert TypeAdapter(made.Point).validate_python({"x": "1"}) == made.Point(1)
    assert made.Point.__doc__ == "A place."


@pytest.mark.parametrize("dataclass", [dataclasses.dataclass, own])
def test_dataclasses_can_be_made_from_it(made: SimpleNamespace, dataclass: Any) -> None:
    @dataclass(frozen=True, slots=True)
    class Wider(made.Point):  # type: ignore[misc]
        z: int = 3

    assert (Wider(1).sum(), Wider(1).z) == (3, 3)
    assert Wider(1) == Wider(1, z=3)
    with pytest.raises(FrozenInstanceError):
        Wider(1).z = 4
    with pytest.raises(TypeError, match="cannot inherit non-frozen dataclass from a frozen one"):
        dataclasses.dataclass(type("Loose", (made.Point,), {"__annotations__": {"z": int}}))


def test_threads_may_be_the_first_to_use_it_together(made: SimpleNamespace) -> None:
    together = Barrier(8)

    def use(number: int) -> Any:
        together.wait()
        return made.Point(number)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(8))) == [made.Point(number) for number in range(8)]
