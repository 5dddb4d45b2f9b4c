"""prune, retention, pin and unpin, as they are typed."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from safepoint import Store
from safepoint_server.cli.spans import span

Cli = Callable[..., Any]


@pytest.fixture
def work(empty: Any) -> list[str]:
    """A workspace of 20 versions, of which number 5 has a label."""

    async def fill() -> None:
        async with Store.open(empty.url, key_file=empty.key_file) as store:
            for number in range(1, 21):
                label = "five" if number == 5 else None
                await store.workspace("work").save(number, label=label)

    asyncio.run(fill())
    options: list[str] = empty.options
    return options


def test_a_dry_run_says_what_would_go_and_a_prune_takes_it(cli: Cli, work: list[str]) -> None:
    planned = cli("prune", "work", "--keep-last", "3", "--dry-run", *work)
    assert planned.code == 0
    assert "16 versions would go" in planned.out
    assert "1-4, 6-17" in planned.out
    assert cli("show", "work", "--version", "2", "--state", *work).json == 2
    done = cli("prune", "work", "--keep-last", "3", "--json", *work).json
    (one,) = done["workspaces"]
    assert (one["versions"], one["ranges"], one["floor"]) == (16, [[1, 4], [6, 17]], 18)
    assert (one["removed"], one["waiting"] > 0) == (0, True)  # all are young
    gone = cli("show", "work", "--version", "2", *work)
    assert gone.code == 3
    assert "pruned by policy (keep last 3)" in gone.err
    assert cli("show", "work", "--version", "5", "--state", *work).json == 5


def test_policies_are_set_shown_and_cleared(cli: Cli, work: list[str]) -> None:
    assert "keep everything (no policy)" in cli("retention", *work).out
    assert "keep within 30d" in cli("retention", "--keep-within", "30d", *work).out
    told = cli("retention", "work", *work)
    assert "keep within 30d (the store's)" in told.out
    own = cli("retention", "work", "--keep-last", "4", "--keep-within", "1d12h", "--json", *work)
    assert own.json["policy"] == {"keep_last": 4, "keep_within_seconds": 36 * 3600}
    assert own.json["store"] == {"keep_last": None, "keep_within_seconds": 30 * 86400}
    everything = cli("retention", "work", "--keep-everything", *work)
    assert "keep everything (its own)" in everything.out
    assert cli("retention", "work", "--clear", "--json", *work).json["own"] is None
    assert "no policy" in cli("retention", "--clear", *work).out


def test_pruning_all_goes_by_each_policy(cli: Cli, work: list[str]) -> None:
    cli("retention", "work", "--keep-last", "1", *work)
    (one,) = cli("prune", "--all", "--json", *work).json["workspaces"]
    assert (one["workspace"], one["policy"], one["versions"]) == ("work", "keep last 1", 18)


def test_a_pinned_version_survives(cli: Cli, work: list[str]) -> None:
    assert "version 7 is pinned" in cli("pin", "work", "7", *work).out
    assert cli("pin", "work", "7", "--json", *work).json["changed"] is False
    cli("prune", "work", "--keep-last", "1", *work)
    assert cli("show", "work", "--version", "7", "--state", *work).json == 7
    assert "7" in cli("retention", "work", *work).out
    assert cli("unpin", "work", "7", "--json", *work).json["pins"] == []
    assert cli("pin", "work", "8", *work).code == 3


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["prune"], "--all"),
        (["prune", "work", "--all"], "--all"),
        (["prune", "work", "--keep-last", "0"], "not a number of checkpoints"),
        (["prune", "work", "--keep-within", "soon"], "not a span of time such as 30d"),
        (["retention", "work", "--clear", "--keep-last", "3"], "not two of them"),
    ],
)
def test_a_wrong_command_line_changes_nothing(
    cli: Cli, work: list[str], argv: list[str], said: str
) -> None:
    ran = cli(*argv, *work)
    assert (ran.code, said in ran.err) == (2, True)
    assert cli("history", "work", "--json", *work).json["events"][0]["version"] == 20


def test_a_name_that_is_not_there_is_found_before_anything_goes(cli: Cli, work: list[str]) -> None:
    ran = cli("prune", "work", "worm", "--keep-last", "1", *work)
    assert ran.code == 3
    assert "work" in ran.err
    assert cli("history", "work", "--json", *work).json["events"][0]["version"] == 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", timedelta(days=30)),
        ("12h", timedelta(hours=12)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("2W", timedelta(weeks=2)),
        ("90m30s", timedelta(minutes=90, seconds=30)),
    ],
)
def test_spans_of_time_are_read(text: str, expected: timedelta) -> None:
    assert span(text) == expected


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "1d1d", "-1d", "1.5d", "3 days", "٣d"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        span(text)
