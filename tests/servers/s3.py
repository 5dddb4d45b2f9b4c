"""An S3 endpoint as tests see it: its address, keys, a bucket, and clients for it.

boto3 is loaded late, so that tests without S3 start quickly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from safepoint.objects.s3 import S3Objects

__all__ = ["S3Server", "count_requests"]


@dataclass(frozen=True)
class S3Server:
    endpoint: str
    bucket: str = "test-bucket"
    access_key: str = "test-access-key"
    secret_key: str = "test-secret-key"

    def at(self, endpoint: str) -> S3Server:
        """The same server, reached by another address."""
        return replace(self, endpoint=endpoint)

    def client(self, *, read_timeout: float = 15.0, **changed: Any) -> Any:
        """A client as Safepoint makes one; `changed` are arguments of `session.client`."""
        from botocore.config import Config  # type: ignore[import-untyped]

        config = Config(
            connect_timeout=5,
            read_timeout=read_timeout,
            retries={"mode": "standard", "total_max_attempts": 1},
            max_pool_connections=32,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path", "payload_signing_enabled": True},
        )
        return _session(self.access_key, self.secret_key).client(
            "s3", **{"endpoint_url": self.endpoint, "config": config, **changed}
        )

    def objects(
        self, prefix: str = "", *, timeout: float = 30.0, read_timeout: float = 15.0
    ) -> S3Objects:
        """A store with a client of its own."""
        from safepoint.objects.s3 import S3Objects

        return S3Objects(
            self.client(read_timeout=read_timeout),
            self.bucket,
            prefix,
            timeout=timeout,
            close_client=True,
        )

    def place(self, prefix: str) -> Callable[[], S3Objects]:
        """Makes stores over one place, as the contract wants it."""
        return lambda: self.objects(prefix)

    def make_bucket(self) -> None:
        client = self.client()
        client.create_bucket(Bucket=self.bucket)
        client.close()

    def environ(self) -> dict[str, str]:
        """Variables with which another process reaches this server, and nothing of this machine."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@cache  # it costs half a second
def _session(access_key: str, secret_key: str) -> Any:
    import boto3  # type: ignore[import-untyped]

    return boto3.session.Session(
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
    )


def count_requests(client: Any) -> Counter[str]:
    """The client's requests from now on, counted by operation as they are sent."""
    counts: Counter[str] = Counter()

    def count(request: Any, event_name: str, **_: Any) -> None:
        counts[event_name.rpartition(".")[2]] += 1

    client.meta.events.register("before-send.s3", count)
    return counts
