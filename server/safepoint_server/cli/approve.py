"""`safepoint approve`: a person says yes."""

from __future__ import annotations

import argparse

from safepoint import Verdict
from safepoint_server.cli import deciding

EXAMPLES = """\
examples:
  safepoint approve my-task deploy                        shows what is asked, then asks you
  safepoint approve my-task deploy --comment "go ahead"
  safepoint approve my-task deploy --digest 3f6c…         asks nothing, for scripts
"""

add_arguments = deciding.add_arguments


def run(args: argparse.Namespace) -> int:
    return deciding.decide(args, Verdict.APPROVE)
