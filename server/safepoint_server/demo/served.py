"""`safepoint serve` that first says its process id, so that the director can kill it too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from safepoint_server.cli import main

if __name__ == "__main__":
    Path(sys.argv[1]).write_text(str(os.getpid()), "ascii")
    sys.exit(main(["serve", *sys.argv[2:]]))
