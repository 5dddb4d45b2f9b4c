"""Where an S3 store lies: bucket, prefix, and how to reach them, read from an `s3://` address."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from safepoint.errors import InvalidInput, Unsupported
from safepoint.objects._keys import check_prefix
from safepoint.values import dataclass

__all__ = ["S3Address"]

MAX_PREFIX_BYTES = 300
_OPTIONS = ("region", "endpoint", "profile")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_DIRECTORY_BUCKET = "--x-s3"
_HINT = "Write s3://bucket/prefix, and ?region=…&endpoint=…&profile=… behind it where needed."


@dataclass(frozen=True, slots=True)
class S3Address:
    """`prefix` is empty or ends with `/`; None leaves an option to the environment."""

    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint: str | None = None
    profile: str | None = None
    query: str = ""

    def __post_init__(self) -> None:
        if not _BUCKET.fullmatch(self.bucket):
            raise _bad("it does not name a bucket")
        if self.bucket.endswith(_DIRECTORY_BUCKET):
            raise Unsupported(
                f"{self.bucket} is a directory bucket, which lists its keys in no order",
                hint="Use a general purpose bucket.",
                code="directory_bucket",
            )
        if len(self.prefix) > MAX_PREFIX_BYTES:
            raise _bad(f"its prefix is longer than {MAX_PREFIX_BYTES} bytes")
        check_prefix(self.prefix)

    @classmethod
    def parse(cls, url: str) -> S3Address:
        """Read `s3://bucket/prefix?region=…&endpoint=…&profile=…`; no message repeats the address.

        Raises:
            InvalidInput: it is something else, or holds credentials.
        """
        scheme, separator, rest = url.partition("://")
        if scheme != "s3" or not separator:
            raise _bad("it does not start with s3://")
        place, _, query = rest.partition("?")
        bucket, _, prefix = place.partition("/")
        if "@" in bucket:
            raise _bad("credentials do not belong into it")
        if "#" in rest:
            raise _bad("it holds a #")
        options: dict[str, str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name not in _OPTIONS:
                raise _bad(f"{name[:40]!r} is none of its options {', '.join(_OPTIONS)}")
            if name in options or not value:
                raise _bad(f"the option {name} is empty or given twice")
            options[name] = value
        if "endpoint" in options:
            check_endpoint(options["endpoint"])
        prefix = prefix.strip("/")
        return cls(bucket, prefix and prefix + "/", query=query, **options)

    @property
    def url(self) -> str:
        """The address in its one spelling; it opens the same store again."""
        return f"s3://{self.bucket}/{self.prefix.rstrip('/')}".rstrip("/") + (
            f"?{self.query}" if self.query else ""
        )

    @property
    def bucket_resource(self) -> str:
        return f"arn:aws:s3:::{self.bucket}"

    @property
    def objects_resource(self) -> str:
        return f"arn:aws:s3:::{self.bucket}/{self.prefix}*"


def check_endpoint(endpoint: str) -> None:
    """Accept `http(s)://host` with a port or path. Raises InvalidInput for anything else."""
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in endpoint or "?" in endpoint or "#" in endpoint:
        raise InvalidInput(
            "the S3 endpoint is not an address like https://s3.example.org or http://host:9000",
            hint="Correct AWS_ENDPOINT_URL_S3 or the endpoint option; it holds no credentials.",
            code="bad_endpoint",
        )


def _bad(reason: str) -> InvalidInput:
    return InvalidInput(
        f"the address is not that of an S3 store: {reason}", hint=_HINT, code="bad_url"
    )
