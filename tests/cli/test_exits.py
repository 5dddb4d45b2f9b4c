"""Every failure has an exit code of its own."""

from __future__ import annotations

import pytest

from safepoint import errors
from safepoint_server.cli.exits import EXIT_MEANINGS, Exit, exit_code, exit_table


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.InvalidInput, 2),
        (errors.LimitExceeded, 2),
        (errors.NotFound, 3),
        (errors.Conflict, 4),
        (errors.Unavailable, 5),
        (errors.OutcomeUnknown, 5),
        (errors.WrongKey, 6),
        (errors.Damaged, 7),
        (errors.Unsupported, 8),
        (errors.SafepointError, 1),
    ],
)
def test_the_code_of_an_error_is_stable(kind: type[errors.SafepointError], code: int) -> None:
    assert exit_code(kind("why")) == code


def test_every_error_of_the_library_has_a_code_in_the_table_above() -> None:
    marks = test_the_code_of_an_error_is_stable.pytestmark  # type: ignore[attr-defined]
    told = {kind.__name__ for kind, _ in marks[0].args[1]}
    assert told == set(errors.__all__)


def test_every_code_has_a_meaning_in_the_help() -> None:
    assert set(EXIT_MEANINGS) == set(Exit)
    assert len(exit_table().splitlines()) == len(Exit) + 1
