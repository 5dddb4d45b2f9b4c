"""What an operator can set, from the environment and the command line, checked once at start.

The names, defaults and meanings of the variables stand in `variables.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import field
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias

from safepoint import (
    Actor,
    InvalidInput,
    Limits,
    Observer,
    PagesPolicy,
    Store,
    default_store_path,
)
from safepoint.values import dataclass
from safepoint_server.http_settings import HttpSettings
from safepoint_server.reading import Reader
from safepoint_server.variables import VARIABLES

__all__ = ["TOOLSETS", "HooksPolicy", "Settings"]

HooksPolicy: TypeAlias = Literal["full", "no-messages", "off"]

TOOLSETS: Final = ("core", "history")
LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json")
PAGES: Final[tuple[PagesPolicy, ...]] = ("full", "counts", "off")
SWITCH: Final = ("on", "off")
TRANSPORTS: Final = ("stdio", "http")
HOOKS: Final[tuple[HooksPolicy, ...]] = ("full", "no-messages", "off")
PRUNE: Final = ("auto", "off")
GIB: Final = 1 << 30


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
    transport: str = "stdio"
    http: HttpSettings = field(default_factory=HttpSettings)
    elicitation: bool = True
    watch_seconds: float = 5.0
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
        transport: str | None = None,
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
        auth: str | None = None,
    ) -> Settings:
        """Settings from `environ`, each overridden by the option of its name if given.

        An empty variable counts as not set. Nothing is read or written but the arguments.

        Raises:
            InvalidInput: naming the variable or option, the value and what is accepted.
        """
        read = Reader(environ)
        chosen_key, passphrase, kms_key = _key(read, key_file)
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
            transport=read.one_of("SAFEPOINT_TRANSPORT", TRANSPORTS, "stdio", transport),
            http=HttpSettings.load(read, host=host, port=port, path=path, auth=auth),
            hooks=read.one_of("SAFEPOINT_HOOKS", HOOKS, "full", None),
            hook_seconds=read.number("SAFEPOINT_HOOK_SECONDS", 2, 1, 60),
            elicitation=read.one_of("SAFEPOINT_ELICITATION", SWITCH, "on", None) == "on",
            watch_seconds=read.number("SAFEPOINT_WATCH_SECONDS", 5, 1, 3600),
            allowed_paths=read.folders("SAFEPOINT_ALLOWED_PATHS", allowed_paths),
            allowed_s3=read.s3_addresses("SAFEPOINT_ALLOWED_S3"),
            limits=_limits(read),
            cache_bytes=read.size("SAFEPOINT_CACHE_BYTES", 256 << 20, 1 << 20, 64 * GIB),
            max_request_bytes=read.size("SAFEPOINT_MAX_REQUEST_BYTES", 20 << 20, 1 << 16, GIB),
            warnings=tuple(_unknown(environ)),
        )

    @asynccontextmanager
    async def open_store(
        self,
        actor: Actor | None = None,
        *,
        create: bool = True,
        observer: Observer | None = None,
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
            observer=observer,
        ) as store:
            yield store


def _key(read: Reader, key_file: str | Path | None) -> tuple[str | None, str | None, str | None]:
    """Key file, passphrase and KMS key: one of them at most."""
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
    return chosen_key, passphrase, kms_key


def _limits(read: Reader) -> Limits:
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


def _unknown(environ: Mapping[str, str]) -> list[str]:
    known = [variable.name for variable in VARIABLES]
    warnings = []
    for name in sorted(environ):
        if name.startswith("SAFEPOINT_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            meant = f"; did you mean {close[0]}?" if close else ""
            warnings.append(f"{name} is not a setting of Safepoint and does nothing{meant}")
    return warnings
