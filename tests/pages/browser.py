"""A page opened in a real browser, which is refused every network: what it built and said."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
MISSING = "no Chromium is installed; `make browser` installs it (as root, with apt-get)"
_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",
    "--v=0",
    "--dump-dom",
]
_OWN = ("google.com", "googleapis.com", "gstatic.com")  # asked by the browser itself


@dataclass(frozen=True)
class Opened:
    """The document after it was read, lines of the console, and addresses that were asked for."""

    dom: bytes
    console: list[str]
    requests: list[str]


def open_page(url: str, folder: Path) -> Opened:
    """`folder` is for the browser's own files, one for each page."""
    log = folder / "net.json"
    done = subprocess.run(
        [
            FOUND,
            *_OPTIONS,
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            url,
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    said = done.stderr.decode("utf-8", "replace").splitlines()
    asked = re.findall(r'"url":"(https?|wss?)://([^/"]*)', log.read_text("utf-8", "replace"))
    hosts = {f"{scheme}://{host}" for scheme, host in asked if not host.endswith(_OWN)}
    return Opened(done.stdout, [line for line in said if "CONSOLE" in line], sorted(hosts))
