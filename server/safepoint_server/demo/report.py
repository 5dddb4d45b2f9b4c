"""The report that the last step writes, in Markdown, from the state alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from safepoint_server.demo.analysis import STAGES

__all__ = ["write_report"]


def write_report(path: Path, files: dict[str, Any]) -> None:
    """Write it whole or not at all; writing it again gives the same file."""
    words = sum(entry["seen"]["words"]["facts"]["words"] for entry in files.values())
    tickets = sum(len(entry.get("tickets", ())) for entry in files.values())
    lines = [
        "# What was found",
        "",
        f"{len(files)} files, {words:,} words, {tickets} tickets.",
        "",
        "| file | words | lines | longest line | tickets |",
        "|---|---:|---:|---:|---|",
    ]
    for name, entry in files.items():
        facts = {key: value for s in STAGES for key, value in entry["seen"][s]["facts"].items()}
        filed = ", ".join(entry.get("tickets", ())) or "none"
        lines.append(
            f"| {name} | {facts['words']:,} | {facts['lines']:,} | {facts['longest_line']:,} "
            f"| {filed} |"
        )
    for name, entry in files.items():
        findings = [finding for s in STAGES for finding in entry["seen"][s]["findings"]]
        if findings:
            lines += ["", f"## {name}", ""]
        for ticket, finding in zip(entry.get("tickets", ()), findings, strict=True):
            lines.append(f"- {ticket}, line {finding['line']}: {finding['text']}")
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text("\n".join(lines) + "\n", "utf-8")
    os.replace(unfinished, path)
