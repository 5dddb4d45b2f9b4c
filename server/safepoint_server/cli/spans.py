"""Spans of time as a person types them: `30d`, `12h`, `1d12h`."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

from safepoint import RetentionPolicy

__all__ = ["add_policy_options", "policy_given", "span"]

_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_SPAN = re.compile(r"(?:[0-9]{1,6}[wdhms])+", re.ASCII)
_PART = re.compile(r"([0-9]+)([wdhms])", re.ASCII)


def span(text: str) -> timedelta:
    """Raises ArgumentTypeError for what is no span, or none that is more than nothing."""
    plain = text.strip().lower()
    parts = _PART.findall(plain) if _SPAN.fullmatch(plain) else []
    units = [unit for _, unit in parts]
    found = sum((timedelta(**{_UNITS[u]: int(n)}) for n, u in parts), timedelta())
    if not found or len(set(units)) < len(units):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a span of time such as 30d, 12h, 1d12h or 90m "
            "(weeks w, days d, hours h, minutes m, seconds s)"
        )
    return found


def add_policy_options(parser: argparse.ArgumentParser) -> None:
    """`--keep-last` and `--keep-within`: together a policy."""
    parser.add_argument(
        "--keep-last",
        type=_count,
        metavar="N",
        help="keep everything since the newest N checkpoints began",
    )
    parser.add_argument(
        "--keep-within",
        type=span,
        metavar="SPAN",
        help="keep everything that is younger, such as 30d, 12h or 1d12h",
    )


def policy_given(args: argparse.Namespace) -> RetentionPolicy | None:
    """The policy that these options are; None without any."""
    if args.keep_last is None and args.keep_within is None:
        return None
    return RetentionPolicy(args.keep_last, args.keep_within)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= 100_000_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of checkpoints, 1 or more")
    return int(text)
