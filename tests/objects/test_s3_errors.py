"""What is wrong with a bucket is said in words, with the way out, and without any secret."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore import exceptions as boto  # type: ignore[import-untyped]
from tests.servers.proxy import Proxy, Trouble
from tests.servers.s3 import S3Server

from safepoint.errors import InvalidInput, Unavailable
from safepoint.objects._s3_failures import Verdict, judge
from safepoint.objects.s3 import S3Objects, open_s3

pytestmark = pytest.mark.anyio


@pytest.fixture
def refused(ministack_server: S3Server, proxy: Proxy) -> Callable[[int, str], S3Objects]:
    """A store whose every request is answered with this status and code."""

    def make(status: int, code: str) -> S3Objects:
        proxy.error, proxy.decide = (status, code), lambda *_: Trouble.ERROR_BEFORE
        return ministack_server.at(proxy.url).objects("some/prefix")

    return make


@pytest.mark.parametrize(
    ("status", "code", "ours", "words", "hint"),
    [
        (404, "NoSuchBucket", "bucket_not_found", "there is no such bucket", "Create it"),
        (403, "ExpiredToken", "expired_credentials", "have expired", "aws sso login"),
        (400, "ExpiredToken", "expired_credentials", "have expired", "aws sso login"),
        (403, "InvalidAccessKeyId", "bad_credentials", "access key is not known", "AWS_ACCESS"),
        (403, "SignatureDoesNotMatch", "bad_credentials", "secret key does not", "AWS_SECRET"),
        (403, "RequestTimeTooSkewed", "clock_skew", "the clock of this machine", "NTP"),
        (403, "InvalidObjectState", "archived", "moved to an archive", "Restore it"),
        (301, "PermanentRedirect", "wrong_region", "in another region", "AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "wrong_region", "another region", "AWS_REGION"),
        (400, "SomethingNew", "unavailable", "HTTP 400, SomethingNew", ""),
        (405, "<script>", "unavailable", "HTTP 405, no code", ""),
    ],
)
async def test_an_answer_of_s3_is_explained(
    refused: Callable[[int, str], S3Objects],
    proxy: Proxy,
    status: int,
    code: str,
    ours: str,
    words: str,
    hint: str,
) -> None:
    objects = refused(status, code)
    for call in (objects.get("k"), objects.list("f/"), objects.delete("k"), objects.put("k", b"")):
        with pytest.raises(Unavailable, match=words) as failed:
            await call
        assert type(failed.value) is Unavailable
        assert failed.value.code == ours
        assert hint in failed.value.hint
        assert "s3://test-bucket/some/prefix at http://127.0.0.1:" in failed.value.message
        assert "scheduled" not in failed.value.message + failed.value.hint
    if code != "PermanentRedirect":  # which boto3 looks into by itself
        assert len(proxy.seen) == 4


async def test_a_denial_names_the_missing_permission(
    refused: Callable[[int, str], S3Objects],
) -> None:
    objects = refused(403, "AccessDenied")
    inside, bucket = "arn:aws:s3:::test-bucket/some/prefix/*", "arn:aws:s3:::test-bucket"
    for call, needed in (
        (objects.put("k", b"1", if_absent=True), f"s3:PutObject on {inside}."),
        (objects.delete("k"), f"s3:DeleteObject on {inside}."),
        (objects.list(""), f"s3:ListBucket on {bucket}."),
        (objects.list("w/", folders=True), f"s3:ListBucket on {bucket}."),
        (objects.get("k"), f"s3:GetObject on {inside}, and s3:ListBucket on {bucket}: without"),
    ):
        with pytest.raises(Unavailable, match="access is denied") as failed:
            await call
        assert failed.value.code == "access_denied"
        assert needed in failed.value.hint


async def test_a_missing_bucket_is_not_an_empty_store(
    ministack_server: S3Server, seaweedfs_server: S3Server
) -> None:
    for server in (ministack_server, seaweedfs_server):
        objects = S3Objects(server.client(), "no-such-bucket", close_client=True)
        for call in (objects.get("k"), objects.list(""), objects.put("k", b"", if_absent=True)):
            with pytest.raises(Unavailable) as failed:
                await call
            assert failed.value.code == "bucket_not_found"
        await objects.close()


async def test_a_wrong_key_is_told_by_a_real_server(seaweedfs_server: S3Server) -> None:
    objects = replace(seaweedfs_server, secret_key="s3cr3t-and-wrong").objects()
    with pytest.raises(Unavailable, match="secret key does not belong") as failed:
        await objects.get("k")
    assert "s3cr3t" not in repr(failed.value) + failed.value.hint
    await objects.close()


async def test_https_where_the_server_speaks_http_is_told_at_once(
    ministack_server: S3Server, prefix: str
) -> None:
    objects = ministack_server.at(ministack_server.endpoint.replace("http", "https")).objects()
    for call in (objects.get("k"), objects.put("k", b"", if_absent=True)):
        with pytest.raises(Unavailable, match="no secure connection") as failed:
            await call
        assert (type(failed.value), failed.value.code) == (Unavailable, "tls")


async def test_without_credentials_it_is_said_how_to_give_them(
    ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ministack_server.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    objects = await open_s3("s3://test-bucket")
    with pytest.raises(Unavailable, match="no credentials were found") as failed:
        await objects.put("k", b"", if_absent=True)
    assert (type(failed.value), failed.value.code) == (Unavailable, "no_credentials")
    await objects.close()


@pytest.mark.parametrize("settings", [{"profile": "no-such-profile"}, {"region": "not a region!"}])
async def test_settings_that_cannot_be_used_are_refused_when_opening(
    settings: dict[str, Any], ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ministack_server.environ().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidInput, match="no way to S3") as failed:
        await open_s3("s3://test-bucket", **settings)
    assert failed.value.code == "bad_s3_settings"


async def test_a_key_too_long_for_s3_is_refused(ministack_server: S3Server) -> None:
    objects = ministack_server.objects("p" * 199)
    await objects.get("/".join(["k" * 200] * 4))
    with pytest.raises(InvalidInput, match="at most 1024 bytes"):
        await objects.get("/".join(["k" * 200] * 5))


@pytest.mark.parametrize(
    ("error", "verdict", "certain"),
    [
        (boto.ConnectTimeoutError(endpoint_url="e"), Verdict.REFUSED, True),
        (boto.EndpointConnectionError(endpoint_url="e"), Verdict.REFUSED, True),
        (boto.ProxyConnectionError(proxy_url="e"), Verdict.REFUSED, True),
        (boto.SSLError(endpoint_url="e", error=OSError("broken")), Verdict.UNCLEAR, False),
        (boto.ConnectionClosedError(endpoint_url="e"), Verdict.UNCLEAR, False),
        (boto.ReadTimeoutError(endpoint_url="e"), Verdict.UNCLEAR, False),
        (boto.HTTPClientError(error=RuntimeError()), Verdict.UNCLEAR, False),
        (boto.HTTPClientError(error=FileNotFoundError()), Verdict.REFUSED, True),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), Verdict.UNCLEAR, False),
        (boto.TokenRetrievalError(provider="p", error_msg="m"), Verdict.REFUSED, True),
        (boto.UnauthorizedSSOTokenError(), Verdict.REFUSED, True),
        (boto.NoRegionError(), Verdict.REFUSED, True),
        (ConnectionResetError(), Verdict.UNCLEAR, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_was_never_sent_is_certainly_not_done(
    error: Exception, verdict: Verdict, certain: bool
) -> None:
    failure = judge(error)
    assert (failure.verdict, failure.certain) == (verdict, certain)


def test_a_redirect_names_the_region_but_only_a_region() -> None:
    for region, told in (
        ("eu-west-1", "the bucket is in another region: eu-west-1"),
        ("<b>", "the bucket is in another region, or"),
        (None, "the bucket is in another region, or"),
    ):
        response = {
            "Error": {"Code": "AuthorizationHeaderMalformed", "Region": region},
            "ResponseMetadata": {"HTTPStatusCode": 400},
        }
        failure = judge(boto.ClientError(response, "GetObject"))
        assert failure.reason.text.startswith(told)


async def test_an_operation_can_be_cancelled(
    ministack_server: S3Server, proxy: Proxy, prefix: str
) -> None:
    objects = ministack_server.at(proxy.url).objects(prefix)
    proxy.schedule = {0: Trouble.HELD}
    reading = asyncio.create_task(objects.get("k"))
    await asyncio.to_thread(proxy.held.wait)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await objects.get("k") is None
