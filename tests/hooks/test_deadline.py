"""The time of a hook, which began with its process."""

from __future__ import annotations

import time

import pytest

from safepoint_server.hooks.deadline import MARGIN, SECONDS, Deadline


def test_the_setting_is_the_whole_time_with_room_for_the_end() -> None:
    assert Deadline.of({"SAFEPOINT_HOOK_SECONDS": "7"}).seconds == 7 - MARGIN
    assert Deadline.of({}).start <= time.monotonic() - time.process_time() / 2


@pytest.mark.parametrize("wrong", ["", "soon"])
def test_a_setting_that_is_no_number_is_refused_later_with_the_others(wrong: str) -> None:
    assert Deadline.of({"SAFEPOINT_HOOK_SECONDS": wrong}).seconds == SECONDS - MARGIN


def test_parts_end_before_the_whole() -> None:
    half_over = Deadline(time.monotonic() - 50, 100)
    assert half_over.passed(0.4)
    assert half_over.left(0.4) == 0
    assert not half_over.passed()
    assert half_over.spent() >= 50
