"""The checks of the demonstration find what they are there to find."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from safepoint import Store
from safepoint_server.demo.job import Job, step_names
from safepoint_server.demo.lives import Life
from safepoint_server.demo.sources import of_folder
from safepoint_server.demo.verdict import examine, wanted_tickets

Change = Callable[[Job, Life, dict[str, Any]], None]


@pytest.fixture
def job(notes: Path, tmp_path: Path) -> Job:
    return Job(
        workspace="demo",
        store="memory://",
        key_file=None,
        sources=tuple(of_folder(notes, 10)),
        tickets="",
        report=str(tmp_path / "report.md"),
        folder=str(tmp_path),
        pause=0.0,
        lease_seconds=2,
    )


async def _broken_checks(job: Job, change: Change, *, forgets: str = "") -> set[str]:
    """The checks that fail after an honest job, of which `change` altered what is known."""
    life = Life(1, finished=True)
    async with Store.open("memory://") as store:
        work = store.workspace(job.workspace)
        await work.plan_steps(step_names(job.sources))
        for step in step_names(job.sources):
            if step == forgets:
                continue
            started = await work.start_step(step)
            saved = await work.save({"at": step}, step=step)
            done = await work.mark_step_done(step, fencing_token=started.fencing_token)
            told = {"event": "acknowledged", "step": step}
            life.follow({**told, "call": "start_step", "version": started.version})
            life.follow(
                {
                    **told,
                    "call": "save_checkpoint",
                    "version": saved.version,
                    "sha256": saved.sha256,
                }
            )
            life.follow({**told, "call": "mark_step_done", "version": done.version})
        Path(job.report).write_text("report")
        names = ("file", "kind", "line", "text")
        tickets = [dict(zip(names, key, strict=True)) for key in wanted_tickets(job)]
        service = {"tickets": tickets, "repeats_refused": 0, "replies_lost": 0}
        change(job, life, service)
        verdict = await examine(store, job, [life], 0, service)
        return {check.name for check in verdict.checks if not check.ok}


def _nothing(job: Job, life: Life, service: dict[str, Any]) -> None:
    """Everything is as it was."""


def _lose_a_commit(job: Job, life: Life, service: dict[str, Any]) -> None:
    life.acknowledged.append({"call": "mark_step_done", "version": 10_000, "step": "x"})


def _another_step(job: Job, life: Life, service: dict[str, Any]) -> None:
    life.acknowledged[0] = {**life.acknowledged[0], "step": "x"}


def _another_state(job: Job, life: Life, service: dict[str, Any]) -> None:
    at = next(i for i, item in enumerate(life.acknowledged) if "sha256" in item)
    life.acknowledged[at] = {**life.acknowledged[at], "sha256": "0" * 64}


def _double_a_ticket(job: Job, life: Life, service: dict[str, Any]) -> None:
    service["tickets"].append(service["tickets"][0])


def _lose_a_ticket(job: Job, life: Life, service: dict[str, Any]) -> None:
    service["tickets"].pop()


def _no_report(job: Job, life: Life, service: dict[str, Any]) -> None:
    Path(job.report).unlink()


def _a_kill_too_many(job: Job, life: Life, service: dict[str, Any]) -> None:
    life.killed = True


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (_nothing, set()),
        (_lose_a_commit, {"no acknowledged commit lost"}),
        (_another_step, {"no acknowledged commit lost"}),
        (_another_state, {"every acknowledged state intact"}),
        (_double_a_ticket, {"tickets filed as wanted", "no ticket doubled"}),
        (_lose_a_ticket, {"tickets filed as wanted"}),
        (_no_report, {"job finished, report written"}),
        (_a_kill_too_many, {"agents and servers killed"}),
    ],
)
def test_each_check_fails_exactly_for_its_own_reason(
    job: Job, change: Change, broken: set[str]
) -> None:
    assert asyncio.run(_broken_checks(job, change)) == broken


def test_a_step_that_nobody_completed_is_found(job: Job) -> None:
    forgotten = step_names(job.sources)[-1]
    found = asyncio.run(_broken_checks(job, _nothing, forgets=forgotten))
    assert found == {"every step completed exactly once", "job finished, report written"}


def test_a_job_survives_its_file(job: Job, tmp_path: Path) -> None:
    job = replace(job, pause=0.25)
    job.write(tmp_path / "job.json")
    assert Job.read(tmp_path / "job.json") == job
