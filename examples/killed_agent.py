"""The main job: an agent that files tickets is killed again and again, and finishes it once.

    python examples/killed_agent.py [--folder DIR] [--kills N] [--seed N]

The same as `safepoint demo`. Its parts are the modules of `safepoint_server.demo`: `agent.py` is
the agent, `director.py` kills it, `verdict.py` holds the result against what was acknowledged.
"""

from __future__ import annotations

import sys

from safepoint_server.cli import main

if __name__ == "__main__":
    sys.exit(main(["demo", *sys.argv[1:]]))
