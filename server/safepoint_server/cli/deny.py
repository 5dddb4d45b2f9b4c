"""`safepoint deny`: a person says no."""

from __future__ import annotations

import argparse

from safepoint import Verdict
from safepoint_server.cli import deciding

EXAMPLES = """\
examples:
  safepoint deny my-task deploy --comment "not on a Friday"
"""

add_arguments = deciding.add_arguments


def run(args: argparse.Namespace) -> int:
    return deciding.decide(args, Verdict.DENY)
