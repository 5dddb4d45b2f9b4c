"""`python -m bench.soak [--minutes N]`: run it, print what came out; 1 when something is wrong."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.soak.report import report
from bench.soak.run import Plan, soak


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long (2)")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    args = parser.parse_args(argv)
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # its clients log every kill
    with tempfile.TemporaryDirectory(prefix="safepoint-soak-", dir=args.folder) as folder:
        outcome = asyncio.run(soak(Plan.of(args.minutes), Path(folder)))
    print(report(outcome))
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
