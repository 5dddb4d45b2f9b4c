"""The boto3 client that S3Objects wants: one attempt, time limits, no round trip too many."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import urlsplit

from safepoint.errors import InvalidInput

__all__ = ["PARALLEL", "S3Client", "is_aws", "make_client"]

PARALLEL = 32
"""Connections, and the threads that use them."""

CONNECT_SECONDS = 5.0
READ_SECONDS = 15.0

_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws")
_COMPATIBLE = "when_required"


class S3Client(Protocol):
    """What is used of a boto3 S3 client. Every method may be called from many threads."""

    @property
    def meta(self) -> Any: ...
    def put_object(self, **parameters: Any) -> dict[str, Any]: ...
    def get_object(self, **parameters: Any) -> dict[str, Any]: ...
    def head_object(self, **parameters: Any) -> dict[str, Any]: ...
    def list_objects_v2(self, **parameters: Any) -> dict[str, Any]: ...
    def delete_object(self, **parameters: Any) -> dict[str, Any]: ...
    def create_multipart_upload(self, **parameters: Any) -> dict[str, Any]: ...
    def upload_part(self, **parameters: Any) -> dict[str, Any]: ...
    def complete_multipart_upload(self, **parameters: Any) -> dict[str, Any]: ...
    def abort_multipart_upload(self, **parameters: Any) -> dict[str, Any]: ...
    def list_multipart_uploads(self, **parameters: Any) -> dict[str, Any]: ...
    def list_parts(self, **parameters: Any) -> dict[str, Any]: ...
    def close(self) -> None: ...


def make_client(*, region: str | None, endpoint: str | None, profile: str | None) -> S3Client:
    """A client by the ordinary chains of credentials, region and endpoint. Blocks.

    What is not AWS is spoken to by path-style addresses, unless the user's configuration says
    otherwise, and with the signed SHA-256 of each body in place of checksums that only AWS takes.

    Raises:
        InvalidInput: the profile, region or endpoint cannot be used.
    """
    import boto3  # type: ignore[import-untyped]  # late: it takes 0.2 s
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
    from botocore.handlers import add_expect_header  # type: ignore[import-untyped]

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        # A repeated put would turn a lost response into a false refusal.
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=PARALLEL,
        tcp_keepalive=True,
        user_agent_extra="safepoint",
    )
    try:
        session = boto3.session.Session(profile_name=profile, region_name=region)
        client = session.client("s3", endpoint_url=endpoint, config=config)
        if not is_aws(client):
            configured = client.meta.config.s3 or {}
            client.close()
            compatible = Config(
                s3={
                    "addressing_style": configured.get("addressing_style", "path"),
                    "payload_signing_enabled": True,
                },
                request_checksum_calculation=_COMPATIBLE,
                response_checksum_validation=_COMPATIBLE,
            )
            client = session.client("s3", endpoint_url=endpoint, config=config.merge(compatible))
    except (BotoCoreError, ValueError) as error:
        raise InvalidInput(
            f"there is no way to S3 with these settings ({type(error).__name__})",
            hint="Check the profile, the region and the endpoint: in the address, in AWS_PROFILE, "
            "AWS_REGION and AWS_ENDPOINT_URL_S3, and in ~/.aws/config.",
            code="bad_s3_settings",
        ) from None
    # It would make every put wait for one answer more.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    made: S3Client = client
    return made


def is_aws(client: S3Client) -> bool:
    """Whether the client speaks to Amazon's own S3."""
    host = urlsplit(client.meta.endpoint_url).hostname or ""
    return host.endswith(_AWS)
