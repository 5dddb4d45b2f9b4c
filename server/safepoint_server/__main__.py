"""`python -m safepoint_server`: the same as `safepoint`."""

from __future__ import annotations

import sys

from safepoint_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
