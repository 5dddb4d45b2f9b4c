"""The soak runs from end to end in a short form, and sees what it is there to see."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from bench.kept import Saved, discrepancies
from bench.soak.memory import Sample, held
from bench.soak.report import report
from bench.soak.run import Plan, soak

from safepoint import Store

SHORT = Plan(seconds=600.0, calls=120, rests=1, settle=0.0, kills=0.5, warm_up=1)


def test_agents_of_both_eras_lose_nothing_while_replicas_are_killed(tmp_path: Path) -> None:
    outcome = asyncio.run(soak(SHORT, tmp_path / "soak"))
    assert outcome.wrong == ["no replica lived through enough rests to be judged"], report(outcome)
    assert outcome.tally.total == SHORT.calls
    assert outcome.kills
    assert outcome.tally.saves
    assert {"auto", "legacy"} == set(outcome.tally.connections)
    assert outcome.records > len(outcome.tally.saves)
    assert "WRONG" in report(outcome)
    assert "Nothing lost" in report(replace(outcome, wrong=[]))


@pytest.mark.anyio
async def test_a_save_that_is_lost_doubled_altered_or_untold_is_seen(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "store") as store:
        work = store.workspace("work")
        told = []
        for number in range(3):
            saved = await work.save({"number": number}, label=f"save {number}")
            told.append(Saved("work", f"save {number}", saved.version, saved.sha256))
        assert await discrepancies(store, told) == []

        lost = Saved("work", "save 3", 4, told[0].sha256)
        assert await discrepancies(store, [*told, lost]) == [
            "work: 'save 3', acknowledged as version 4, is lost"
        ]
        assert await discrepancies(store, told[:2]) == [
            "'save 2', version 3, was never acknowledged"
        ]
        altered = replace(told[1], sha256=told[0].sha256)
        assert await discrepancies(store, [told[0], altered, told[2]]) == [
            "work: 'save 1' is not what was acknowledged"
        ]
        await work.save({"number": 2}, label="save 2")
        (doubled, *_) = await discrepancies(store, told)
        assert doubled == "work: 'save 2', acknowledged as version 3, is there 2 times"


def looks(rise: int = 0, files: int = 0, count: int = 9) -> list[Sample]:
    """Of one replica, whose memory rises so many bytes with each of a thousand calls."""
    warm = [90, 95, 99, *[100] * (count - 3)]
    return [
        Sample("one", n * 1000, (warm[n] << 20) + n * 1000 * rise, 12 + n * files, 9, 3)
        for n in range(count)
    ]


def test_memory_that_no_longer_grows_after_the_warm_up_is_flat() -> None:
    (judged,) = held(looks())
    assert (judged.looks, judged.rise, judged.wrong) == (9, 0.0, ())
    spike = looks()
    spike[5] = replace(spike[5], resident=300 << 20)
    assert held(spike)[0].wrong == ()


def test_memory_that_grows_with_every_call_is_not_flat() -> None:
    (judged,) = held(looks(rise=1000))
    assert judged.wrong == ("memory rises by 4.8 MiB",)
    assert held(looks(rise=500))[0].wrong == ()


def test_file_descriptors_that_are_never_closed_are_seen() -> None:
    assert held(looks(files=2))[0].wrong == ("files: 28, and at most 16 at first",)


def test_what_did_not_live_long_enough_is_not_judged() -> None:
    assert held(looks(count=5)) == []
