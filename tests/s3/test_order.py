"""The judge of histories: it lets an honest one pass, and no other."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest
from tests.s3.order import Call, replay, respects_time


def sha256(state: dict[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(state)).hexdigest()


def save(process: str, began: int, ended: int, version: int, patch: Any, state: Any) -> Call:
    return Call(process, "save", {"patch": patch}, began, ended, version, {"sha256": sha256(state)})


def load(process: str, began: int, ended: int, version: int, state: Any) -> Call:
    return Call(process, "load", {}, began, ended, version, {"state": state})


def start(process: str, began: int, ended: int, version: int, decision: str, **reply: Any) -> Call:
    given = {"step": "only"}
    return Call(process, "start", given, began, ended, version, {"decision": decision, **reply})


HONEST = (
    save("a", 0, 10, 1, {"a": 0}, {"a": 0}),
    save("b", 5, 30, 2, {"b": 0}, {"a": 0, "b": 0}),
    load("a", 12, 20, 1, {"a": 0}),
    load("a", 25, 26, 2, {"a": 0, "b": 0}),
    start("a", 31, 40, 3, "run", token=3),
    start("b", 31, 45, 3, "wait"),
    Call("a", "mark", {"step": "only", "result": [1]}, 46, 50, 4, {}),
    start("b", 51, 60, 4, "skip", result=[1]),
)


def judged(calls: tuple[Call, ...]) -> None:
    replay(calls)
    respects_time(calls)


def test_an_honest_history_passes_in_any_order_of_listing() -> None:
    judged(HONEST)
    judged(HONEST[::-1])


@pytest.mark.parametrize(
    ("at", "told"),
    [
        pytest.param(1, {"version": 3}, id="a gap"),
        pytest.param(1, {"version": 1}, id="one version for two"),
        pytest.param(1, {"reply": {"sha256": sha256({"b": 0})}}, id="a lost update"),
        pytest.param(
            3,
            {"version": 1, "reply": {"state": {"a": 0}}, "began": 31, "ended": 32},
            id="a stale read",
        ),
        pytest.param(
            2,
            {"version": 2, "reply": {"state": {"a": 0, "b": 0}}, "began": 1, "ended": 2},
            id="a read from the future",
        ),
        pytest.param(3, {"reply": {"state": {"a": 0}}}, id="another version's state"),
        pytest.param(0, {"began": 60, "ended": 70}, id="a version before what had ended"),
        pytest.param(5, {"reply": {"decision": "run", "token": 3}}, id="a step run by two"),
        pytest.param(5, {"version": 4}, id="told to wait for what is done"),
        pytest.param(7, {"reply": {"decision": "skip", "result": [2]}}, id="another result"),
        pytest.param(7, {"version": 3}, id="skips what is not done"),
    ],
)
def test_a_history_that_no_order_explains_is_found(at: int, told: dict[str, Any]) -> None:
    calls = list(HONEST)
    calls[at] = calls[at]._replace(**told)
    with pytest.raises(AssertionError):
        judged(tuple(calls))
