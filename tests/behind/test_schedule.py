"""What is written behind commits: seldom, late, never twice at once, and all of it at the end."""

from __future__ import annotations

import asyncio
import logging

import pytest
from tests.behind.ticker import Ticker

from safepoint import Unavailable
from safepoint.behind.schedule import Behind

pytestmark = pytest.mark.anyio


class Writer:
    """Counts its runs; each can be awaited."""

    def __init__(self) -> None:
        self.runs = 0
        self.errors: list[Exception] = []
        self.ran = asyncio.Condition()

    async def write(self) -> None:
        self.runs += 1
        async with self.ran:
            self.ran.notify_all()
        if self.errors:
            raise self.errors.pop(0)

    async def until(self, runs: int) -> None:
        async with self.ran:
            await self.ran.wait_for(lambda: self.runs >= runs)


async def test_many_notes_are_one_write_after_five_seconds() -> None:
    ticker, writer = Ticker(), Writer()
    behind = Behind(ticker.pace())
    for _ in range(100):
        behind.note("page", writer.write)
    await ticker.pass_(4.9)
    assert writer.runs == 0
    await ticker.pass_(0.1)
    await writer.until(1)
    await behind.close()
    assert writer.runs == 1


async def test_one_thing_is_written_at_most_once_in_five_seconds() -> None:
    ticker, writer = Ticker(), Writer()
    behind = Behind(ticker.pace())
    for round_ in range(1, 5):
        for _ in range(10):
            behind.note("page", writer.write)
        await ticker.pass_(5)
        await writer.until(round_)
    assert (writer.runs, ticker.time) == (4, 20)
    await behind.close()
    assert writer.runs == 4


async def test_closing_writes_at_once_what_is_outstanding() -> None:
    ticker, first, second = Ticker(), Writer(), Writer()
    behind = Behind(ticker.pace())
    behind.note("one", first.write)
    behind.note("two", second.write)
    await behind.close()
    assert (first.runs, second.runs, ticker.time) == (1, 1, 0)


async def test_closing_without_notes_does_nothing() -> None:
    await Behind(Ticker().pace()).close()


async def test_the_last_note_is_the_one_that_is_written() -> None:
    ticker, old, new = Ticker(), Writer(), Writer()
    behind = Behind(ticker.pace())
    behind.note("page", old.write)
    behind.note("page", new.write)
    await behind.close()
    assert (old.runs, new.runs) == (0, 1)


async def test_a_note_during_a_write_waits_for_its_end_and_its_turn() -> None:
    ticker, writer = Ticker(), Writer()
    behind = Behind(ticker.pace())
    writing, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        writing.set()
        await go_on.wait()

    behind.note("page", slow)
    await ticker.pass_(5)
    await writing.wait()
    behind.note("page", writer.write)
    assert writer.runs == 0
    go_on.set()
    await ticker.pass_(5)
    await writer.until(1)
    await behind.close()


async def test_what_fails_is_tried_three_times_in_growing_distance_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ticker, writer = Ticker(), Writer()
    writer.errors = [Unavailable("the secret contents", code="slow_down") for _ in range(9)]
    behind = Behind(ticker.pace())
    with caplog.at_level(logging.DEBUG, "safepoint"):
        behind.note("page", writer.write)
        for run, seconds in enumerate((5, 10, 20), start=1):
            await ticker.pass_(seconds)
            await writer.until(run)
        await behind.close()
    assert writer.runs == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "slow_down" in caplog.text
    assert "secret" not in caplog.text


async def test_a_quiet_note_fails_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    writer = Writer()
    writer.errors = [Unavailable("no")]
    behind = Behind(Ticker().pace())
    with caplog.at_level(logging.DEBUG, "safepoint"):
        behind.note("page", writer.write, quiet=True)
        await behind.close()
    assert writer.runs == 1
    assert caplog.records == []


async def test_one_failure_holds_up_nothing_else() -> None:
    bad, good = Writer(), Writer()
    bad.errors = [ValueError("a bug")]
    behind = Behind(Ticker().pace())
    behind.note("bad", bad.write)
    behind.note("good", good.write)
    await behind.close()
    assert (bad.runs, good.runs) == (1, 1)


async def test_closing_gives_up_what_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        begun.set()
        await never.wait()

    ticker = Ticker()
    behind = Behind(ticker.pace(grace=0.0))
    behind.note("page", hang)
    await ticker.pass_(5)
    await begun.wait()
    with caplog.at_level(logging.DEBUG, "safepoint"):
        await behind.close()
    assert "too long" in caplog.text


async def test_what_is_outstanding_counts_from_its_first_note_until_it_is_done() -> None:
    ticker, writer = Ticker(), Writer()
    behind = Behind(ticker.pace())
    assert behind.outstanding() == (0, 0.0)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        begun.set()
        await go_on.wait()
        raise Unavailable("no")

    behind.note("page", slow)
    await ticker.pass_(5)
    await begun.wait()
    assert behind.outstanding() == (1, 5.0)
    behind.note("page", writer.write)  # its write fails: what it stood for is as old as before
    go_on.set()
    await ticker.pass_(5)
    await writer.until(1)
    await behind.close()
    assert (behind.outstanding(), behind.given_up) == ((0, 0.0), 0)


async def test_what_failed_for_good_is_counted() -> None:
    ticker, writer = Ticker(), Writer()
    writer.errors = [Unavailable("no") for _ in range(3)]
    behind = Behind(ticker.pace())
    behind.note("page", writer.write)
    for run, seconds in enumerate((5, 10, 20), start=1):
        assert behind.outstanding()[0] == 1
        await ticker.pass_(seconds)
        await writer.until(run)
    await behind.close()
    assert (behind.outstanding(), behind.given_up) == ((0, 0.0), 1)
