"""Any history of asking, deciding and starting: a step starts only with a yes to what stands."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.log.desk import Desk

from safepoint import Actor, Decision, SafepointError
from safepoint.format.document import decode, encode
from safepoint.log.approvals import digest_of
from safepoint.log.transitions import Ask, Consume, Decide, PlanSteps, Start, Withdraw
from safepoint.model import PlannedStep, Verdict

MINUTE = timedelta(minutes=1)
STEPS = ("one", "two")
ACTS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from("123"), st.booleans(), st.sampled_from([None, 2])),
    st.tuples(
        st.just("decide"),
        st.sampled_from(["approve", "approve", "deny"]),
        st.sampled_from([0, 0, 0, 1]),
    ),
    st.tuples(st.just("withdraw")),
    st.tuples(st.just("consume"), st.sampled_from(STEPS)),
    st.tuples(st.just("start"), st.sampled_from(STEPS)),
    st.tuples(st.just("wait"), st.integers(1, 3)),
)


class History:
    """A desk, and what is known besides: every asking that was seen, and the yes that counts."""

    def __init__(self) -> None:
        self.desk = Desk(actor=Actor("agent"))
        steps = tuple(PlannedStep(name, needs_approval=("go",)) for name in STEPS)
        self.desk(PlanSteps(steps))
        self.seen: list[str] = []
        self.yes: str | None = None
        self.single = False
        self.user: str | None = None

    def digest(self) -> str | None:
        entry = self.desk.document.approvals.get("go")
        return None if entry is None else digest_of("work", 1, "go", entry)

    def ask(self, subject: str, single: bool, minutes: int | None) -> None:
        before = self.digest()
        expires = None if minutes is None else minutes * MINUTE
        command = Ask("go", "Go?", subject=subject.encode(), single_use=single, expires=expires)
        assert self.desk(command).asked is (self.digest() != before)
        if self.digest() != before:
            assert self.digest() not in self.seen
            self.seen.append(self.digest() or "")
            self.yes, self.single, self.user = None, single, None

    def decide(self, verdict: str, back: int) -> None:
        digest = self.seen[-1 - back] if back < len(self.seen) else "0"
        self.desk(Decide("go", Verdict(verdict), digest=digest))
        assert digest == self.digest()
        assert self.yes in (None, digest)
        self.yes = digest if verdict == "approve" else None

    def withdraw(self) -> None:
        self.desk(Withdraw("go"))
        self.yes = None

    def consume(self, by: str) -> None:
        self.desk(Consume("go", by))
        self.use(by)

    def start(self, step: str) -> None:
        if self.desk(Start(step, MINUTE)).decision is Decision.RUN:
            self.use(step)

    def wait(self, minutes: int) -> None:
        self.desk.turn_clock(minutes=minutes)

    def use(self, step: str) -> None:
        assert self.yes == self.digest() is not None
        if self.single:
            assert self.user in (None, step)
            self.user = step


@given(st.lists(ACTS, min_size=10, max_size=40))
def test_whatever_happens_only_a_yes_to_what_is_asked_now_lets_a_step_start(
    acts: list[tuple[str, *tuple[object, ...]]],
) -> None:
    history = History()
    for name, *arguments in acts:
        with contextlib.suppress(SafepointError):
            getattr(history, name)(*arguments)
        entry = history.desk.document.approvals.get("go")
        assert (entry is not None and entry.status == "approved") == (history.yes is not None)
        assert (entry.used_by if entry else None) == history.user
    assert decode(encode(history.desk.document)) == history.desk.document
