"""Whether what many processes were told is consistent with one order of all their calls.

Every commit has a number, so the order need not be searched for: a commit stands at its version,
a read just behind the version that it read. The history is linearizable exactly if this order
respects time (a call that ended before another began does not stand behind it) and a plain model,
going through it, gives every reply that was given.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

__all__ = ["Call", "Model", "replay", "respects_time"]


class Call(NamedTuple):
    """`began` and `ended` are nanoseconds of a clock that all processes share."""

    process: str
    kind: str
    given: dict[str, Any]
    began: int
    ended: int
    version: int
    reply: dict[str, Any]

    @property
    def commits(self) -> bool:
        return self.kind in ("save", "mark") or self.reply.get("decision") == "run"

    @property
    def place(self) -> tuple[int, bool]:
        """Where it stands in the order: reads behind the commit that they read."""
        return self.version, not self.commits


@dataclass
class Model:
    """The workspace after some version. A step is its holder, token and result, done or not."""

    version: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def apply(self, call: Call) -> None:
        """What `call` committed; fails if its reply is not what follows."""
        self.version += 1
        assert call.version == self.version, (self.version, call)
        if call.kind == "save":
            self.state.update(call.given["patch"])
            digest = hashlib.sha256(orjson.dumps(self.state)).hexdigest()
            assert call.reply["sha256"] == digest, (self.state, call)
        elif call.kind == "start":
            assert call.given["step"] not in self.steps, f"run twice: {call}"
            assert call.reply["token"] == call.version, call
            started = {"holder": call.process, "token": call.version, "done": False}
            self.steps[call.given["step"]] = started
        else:
            step = self.steps[call.given["step"]]
            assert (step["holder"], step["done"]) == (call.process, False), (step, call)
            step.update(done=True, result=call.given["result"])

    def check(self, call: Call) -> None:
        """Fails if the reply to `call`, which read this version, is not true of it."""
        assert call.version == self.version, (self.version, call)
        if call.kind == "load":
            assert call.reply["state"] == self.state, (self.state, call)
            return
        step = self.steps[call.given["step"]]
        if call.reply["decision"] == "wait":
            assert not step["done"], (step, call)
            assert step["holder"] != call.process, (step, call)
        else:
            assert call.reply["decision"] == "skip", call
            assert (step["done"], step.get("result")) == (True, call.reply["result"]), (step, call)


def replay(calls: Iterable[Call]) -> list[Model]:
    """The models of all versions from 1 on; fails if the calls do not make one history."""
    model, models = Model(), []
    for call in sorted(calls, key=lambda call: call.place):
        if call.commits:
            model.apply(call)
            models.append(copy.deepcopy(model))
        else:
            model.check(call)
    return models


def respects_time(calls: Iterable[Call]) -> None:
    """Fails if a call that began after another had ended stands before it."""
    calls = list(calls)
    by_end = iter(sorted(calls, key=lambda call: call.ended))
    over, latest = next(by_end, None), None
    for call in sorted(calls, key=lambda call: call.began):
        while over is not None and over.ended < call.began:
            if latest is None or over.place > latest.place:
                latest = over
            over = next(by_end, None)
        if latest is not None:
            later = latest.place < call.place
            assert later or (latest.place == call.place and not call.commits), (latest, call)
