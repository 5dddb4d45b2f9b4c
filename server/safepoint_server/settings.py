"""What an operator can set, from the environment and the command line, checked once at start.

`VARIABLES` is the one table of names, defaults and meanings; documentation is tested against it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, NoReturn, TypeAlias, TypeVar

from safepoint import (
    Actor,
    InvalidInput,
    Limits,
    PagesPolicy,
    Store,
    Unsupported,
    default_store_path,
)
from safepoint.outside.s3 import S3Look

__all__ = ["TOOLSETS", "VARIABLES", "HooksPolicy", "Settings", "Variable"]

S = TypeVar("S", bound=str)
T = TypeVar("T")
HooksPolicy: TypeAlias = Literal["full", "no-messages", "off"]

TOOLSETS: Final = ("core", "history")
LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json")
PAGES: Final[tuple[PagesPolicy, ...]] = ("full", "counts", "off")
SWITCH: Final = ("on", "off")
HOOKS: Final[tuple[HooksPolicy, ...]] = ("full", "no-messages", "off")
PRUNE: Final = ("auto", "off")
UNITS: Final = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}
GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: its name, its default in words and what it means."""

    name: str
    default: str
    meaning: str


VARIABLES: Final = (
    Variable(
        "SAFEPOINT_STORE",
        "a store in the user's data folder",
        "Where workspaces are kept: a path, s3://bucket/prefix, or memory:// (gone at exit).",
    ),
    Variable(
        "SAFEPOINT_KEY_FILE",
        "a file in the user's configuration folder, made on first use",
        "The key file that opens the store.",
    ),
    Variable(
        "SAFEPOINT_PASSPHRASE", "none", "A passphrase that opens the store, instead of a key file."
    ),
    Variable(
        "SAFEPOINT_KMS_KEY",
        "none",
        "The ARN of an AWS KMS key that opens the store, instead of a key file.",
    ),
    Variable(
        "SAFEPOINT_DST_PASSPHRASE",
        "as for the source",
        "The passphrase of the store that `copy` copies into, when that is another store.",
    ),
    Variable(
        "SAFEPOINT_NEW_PASSPHRASE", "asked for", "The passphrase that `keys add --passphrase` adds."
    ),
    Variable(
        "SAFEPOINT_KEEP_PASSPHRASE",
        "asked for",
        "The passphrase that `keys rotate --keep-passphrase` keeps.",
    ),
    Variable("SAFEPOINT_LOG", "info", "How much to log on stderr: debug, info, warning or error."),
    Variable("SAFEPOINT_LOG_FORMAT", "text", "Log lines as text or json."),
    Variable(
        "SAFEPOINT_TOOLSETS", "core", "Which tools to offer: core, history or both (core,history)."
    ),
    Variable(
        "SAFEPOINT_PAGES",
        "counts",
        "What index.html in the store shows, unencrypted: full (names), counts, or off.",
    ),
    Variable(
        "SAFEPOINT_PRUNE",
        "auto",
        "Whether old versions are pruned behind saves where there is a policy: auto or off.",
    ),
    Variable(
        "SAFEPOINT_HOOKS",
        "full",
        "What hooks of clients record: full, no-messages (not what was said), or off (no hooks).",
    ),
    Variable("SAFEPOINT_HOOK_SECONDS", "2", "How long a hook may take before it gives up."),
    Variable(
        "SAFEPOINT_ELICITATION",
        "on",
        "Whether people may answer approvals in dialogs of MCP clients: on or off.",
    ),
    Variable(
        "SAFEPOINT_ALLOWED_PATHS",
        "none",
        "Folders whose files tools may read and write, separated as in PATH.",
    ),
    Variable(
        "SAFEPOINT_ALLOWED_S3",
        "none",
        "Addresses such as s3://bucket/prefix below which references are checked; spaces between.",
    ),
    Variable("SAFEPOINT_MAX_STATE_BYTES", "16MiB", "Largest state of a workspace, as JSON."),
    Variable("SAFEPOINT_MAX_RESULT_BYTES", "256KiB", "Largest result of a step, as JSON."),
    Variable("SAFEPOINT_MAX_SUMMARY_BYTES", "4KiB", "Longest summary, goal or next action."),
    Variable("SAFEPOINT_MAX_LABEL_CHARS", "200", "Longest label, in characters."),
    Variable("SAFEPOINT_MAX_STEPS", "10000", "Most steps in one run of a workspace."),
    Variable("SAFEPOINT_MAX_ARTIFACT_BYTES", "64GiB", "Largest artifact."),
    Variable("SAFEPOINT_MAX_LEASE_SECONDS", "86400", "Longest lease that a step can be given."),
    Variable("SAFEPOINT_MAX_REQUEST_BYTES", "20MiB", "Largest single MCP message that is read."),
    Variable("SAFEPOINT_CACHE_BYTES", "256MiB", "Memory for the newest versions of workspaces."),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the server is told at start. Build it with `load`, which checks it."""

    store: str
    key_file: Path | None = None
    passphrase: str | None = field(default=None, repr=False)
    kms_key: str | None = None
    log: str = "info"
    log_format: str = "text"
    toolsets: tuple[str, ...] = ("core",)
    pages: PagesPolicy = "counts"
    prune: str = "auto"
    hooks: HooksPolicy = "full"
    hook_seconds: int = 2
    elicitation: bool = True
    allowed_paths: tuple[Path, ...] = ()
    allowed_s3: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    cache_bytes: int = 256 << 20
    max_request_bytes: int = 20 << 20
    warnings: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        *,
        store: str | None = None,
        key_file: str | Path | None = None,
        toolsets: str | None = None,
        log: str | None = None,
        log_format: str | None = None,
        allowed_paths: Sequence[str] | None = None,
    ) -> Settings:
        """Settings from `environ`, each overridden by the option of its name if given.

        An empty variable counts as not set. Nothing is read or written but the arguments.

        Raises:
            InvalidInput: naming the variable or option, the value and what is accepted.
        """
        read = _Reader(environ)
        chosen_key = str(key_file) if key_file is not None else read.text("SAFEPOINT_KEY_FILE")
        passphrase = None if key_file is not None else read.text("SAFEPOINT_PASSPHRASE")
        kms_key = None if key_file is not None else read.text("SAFEPOINT_KMS_KEY")
        ways = {
            "SAFEPOINT_KEY_FILE": chosen_key,
            "SAFEPOINT_PASSPHRASE": passphrase,
            "SAFEPOINT_KMS_KEY": kms_key,
        }
        given = [name for name, value in ways.items() if value is not None]
        if len(given) > 1:
            raise InvalidInput(
                f"{' and '.join(given)} are set together, and one opens a store",
                hint="unset all but one of them",
                code="invalid_setting",
            )
        return cls(
            store=store or read.text("SAFEPOINT_STORE") or str(default_store_path()),
            key_file=None if chosen_key is None else Path(chosen_key).expanduser(),
            passphrase=passphrase,
            kms_key=kms_key,
            log=read.one_of("SAFEPOINT_LOG", LEVELS, "info", log),
            log_format=read.one_of("SAFEPOINT_LOG_FORMAT", FORMATS, "text", log_format),
            toolsets=read.names("SAFEPOINT_TOOLSETS", TOOLSETS, "core", toolsets),
            pages=read.one_of("SAFEPOINT_PAGES", PAGES, "counts", None),
            prune=read.one_of("SAFEPOINT_PRUNE", PRUNE, "auto", None),
            hooks=read.one_of("SAFEPOINT_HOOKS", HOOKS, "full", None),
            hook_seconds=read.number("SAFEPOINT_HOOK_SECONDS", 2, 1, 60),
            elicitation=read.one_of("SAFEPOINT_ELICITATION", SWITCH, "on", None) == "on",
            allowed_paths=read.folders("SAFEPOINT_ALLOWED_PATHS", allowed_paths),
            allowed_s3=read.s3_addresses("SAFEPOINT_ALLOWED_S3"),
            limits=_limits(read),
            cache_bytes=read.size("SAFEPOINT_CACHE_BYTES", 256 << 20, 1 << 20, 64 * GIB),
            max_request_bytes=read.size("SAFEPOINT_MAX_REQUEST_BYTES", 20 << 20, 1 << 16, GIB),
            warnings=tuple(_unknown(environ)),
        )

    @asynccontextmanager
    async def open_store(
        self, actor: Actor | None = None, *, create: bool = True
    ) -> AsyncIterator[Store]:
        """The store these settings name, open for the length of the block; see `Store.open`."""
        async with Store.open(
            self.store,
            key_file=self.key_file,
            passphrase=self.passphrase,
            kms_key=self.kms_key,
            actor=actor,
            limits=self.limits,
            cache_bytes=self.cache_bytes,
            create=create,
            pages=self.pages,
            prune=self.prune == "auto",
        ) as store:
            yield store


def _limits(read: _Reader) -> Limits:
    plain = Limits()
    lease = read.number(
        "SAFEPOINT_MAX_LEASE_SECONDS", int(plain.lease_max.total_seconds()), 1, 86400
    )
    return Limits(
        state_bytes=read.size("SAFEPOINT_MAX_STATE_BYTES", plain.state_bytes, 1024, 40 << 20),
        result_bytes=read.size("SAFEPOINT_MAX_RESULT_BYTES", plain.result_bytes, 64, 16 << 20),
        summary_bytes=read.size("SAFEPOINT_MAX_SUMMARY_BYTES", plain.summary_bytes, 64, 1 << 16),
        label_chars=read.number("SAFEPOINT_MAX_LABEL_CHARS", plain.label_chars, 1, 1000),
        steps=read.number("SAFEPOINT_MAX_STEPS", plain.steps, 1, 100_000),
        artifact_bytes=read.size(
            "SAFEPOINT_MAX_ARTIFACT_BYTES", plain.artifact_bytes, 1024, plain.artifact_bytes
        ),
        lease_max=timedelta(seconds=lease),
    )


class _Reader:
    """Reads one variable at a time and says what is wrong with it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        return self._environ.get(name) or None

    def one_of(self, name: str, allowed: tuple[S, ...], default: S, option: str | None) -> S:
        value = (option or self.text(name) or default).strip().lower()
        if value not in allowed:
            _refuse(name, value, f"it is one of {', '.join(allowed)}")
        return allowed[allowed.index(value)]

    def names(
        self, name: str, allowed: tuple[str, ...], default: str, option: str | None
    ) -> tuple[str, ...]:
        value = option or self.text(name) or default
        chosen = tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        for part in chosen:
            if part not in allowed:
                _refuse(name, part, f"it names toolsets, and these exist: {', '.join(allowed)}")
        if not chosen:
            _refuse(name, value, f"it names at least one toolset of {', '.join(allowed)}")
        return chosen

    def s3_addresses(self, name: str) -> tuple[str, ...]:
        addresses = tuple((self.text(name) or "").split())
        for address in addresses:
            try:
                S3Look([address])
            except (InvalidInput, Unsupported) as error:
                _refuse(name, address, f"it holds addresses like s3://bucket/prefix: {error}")
        return addresses

    def folders(self, name: str, options: Sequence[str] | None) -> tuple[Path, ...]:
        given = options or (self.text(name) or "").split(os.pathsep)
        paths = tuple(Path(part).expanduser() for part in given if part.strip())
        for path in paths:
            if not path.is_absolute():
                _refuse(name, str(path), "it holds absolute paths of folders")
        return paths

    def number(self, name: str, default: int, low: int, high: int) -> int:
        return self._ranged(name, default, low, high, int, "a whole number")

    def size(self, name: str, default: int, low: int, high: int) -> int:
        return self._ranged(name, default, low, high, _bytes, "a size such as 65536 or 16MiB")

    def _ranged(
        self, name: str, default: int, low: int, high: int, parse: Callable[[str], int], what: str
    ) -> int:
        text = self.text(name)
        if text is None:
            return default
        try:
            value = parse(text)
        except ValueError:
            _refuse(name, text, f"it is {what}")
        if not low <= value <= high:
            _refuse(name, text, f"it is {what} from {low} to {high}")
        return value


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", text.strip(), re.ASCII)
    if match is None or match[2].lower() not in UNITS:
        raise ValueError(text)
    return int(match[1]) * UNITS[match[2].lower()]


def _refuse(name: str, value: str, rule: str) -> NoReturn:
    option = f"--{name.removeprefix('SAFEPOINT_').lower().replace('_', '-')}"
    raise InvalidInput(
        f"{name} is {value[:100]!r}, but {rule}",
        hint=f"correct {name} (or the option {option}, where there is one), or leave it out",
        code="invalid_setting",
    )


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = [variable.name for variable in VARIABLES]
    warnings = []
    for name in sorted(environ):
        if name.startswith("SAFEPOINT_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            meant = f"; did you mean {close[0]}?" if close else ""
            warnings.append(f"{name} is not a setting of Safepoint and does nothing{meant}")
    return warnings
