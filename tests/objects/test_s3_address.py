"""Addresses of S3 stores, and the clients that are made for them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.servers.proxy import Proxy
from tests.servers.s3 import S3Server

from safepoint.errors import InvalidInput, SafepointError, Unsupported
from safepoint.objects._s3_address import S3Address
from safepoint.objects._s3_client import make_client
from safepoint.objects.s3 import open_s3

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("url", "bucket", "prefix", "spelled"),
    [
        ("s3://bucket", "bucket", "", "s3://bucket"),
        ("s3://bucket/", "bucket", "", "s3://bucket"),
        ("s3://my.bucket-1/a/b", "my.bucket-1", "a/b/", "s3://my.bucket-1/a/b"),
        ("s3://bucket//a/", "bucket", "a/", "s3://bucket/a"),
        ("s3://bucket/a%20b", "bucket", "a%20b/", "s3://bucket/a%20b"),
        (
            "s3://bucket/a?region=eu-west-1&profile=work",
            "bucket",
            "a/",
            "s3://bucket/a?region=eu-west-1&profile=work",
        ),
    ],
)
def test_an_address_is_read_and_spelled(url: str, bucket: str, prefix: str, spelled: str) -> None:
    address = S3Address.parse(url)
    assert (address.bucket, address.prefix, address.url) == (bucket, prefix, spelled)
    assert S3Address.parse(address.url) == address


def test_options_are_read() -> None:
    address = S3Address.parse("s3://b12/p?endpoint=http://127.0.0.1:9000/s3&region=x&profile=y")
    assert address.endpoint == "http://127.0.0.1:9000/s3"
    assert (address.region, address.profile) == ("x", "y")


@pytest.mark.parametrize(
    "url",
    [
        "bucket/prefix",
        "file:///x",
        "s3:/bucket",
        "s3://",
        "s3:///prefix",
        "s3://-b/",
        "s3://b",
        "s3://bu cket",
        "s3://bucket/../up",
        "s3://bucket/a//b",
        "s3://bucket/ä",
        "s3://bucket/" + "a/" * 151,
        "s3://bucket?region",
        "s3://bucket?region=",
        "s3://bucket?region=a&region=b",
        "s3://bucket?endpoint=ftp://host",
        "s3://bucket?endpoint=host:9000",
        "s3://bucket?endpoint=http://",
        "s3://bucket/a#b",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        S3Address.parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://AKIAKEY:s3cr3t@bucket/prefix",
        "s3://bucket?endpoint=https://AKIAKEY:s3cr3t@host",
        "s3://bucket?secret_key=s3cr3t",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SafepointError) as refused:
        S3Address.parse(url)
    assert "s3cr3t" not in refused.value.message + refused.value.hint


def test_a_directory_bucket_lists_in_no_order_and_is_refused() -> None:
    with pytest.raises(Unsupported, match="no order"):
        S3Address.parse("s3://data--use1-az4--x-s3/p")


async def test_the_environment_says_how_to_reach_the_bucket(
    ministack_server: S3Server, proxy: Proxy, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ministack_server.environ().items():
        monkeypatch.setenv(name, value)
    objects = await open_s3(f"s3://test-bucket/{prefix}")
    assert await objects.put("k", b"1", if_absent=True)
    assert objects.url == f"s3://test-bucket/{prefix}"
    await objects.close()

    url = f"s3://test-bucket/{prefix}?endpoint={proxy.url}"
    objects = await open_s3(url)
    assert await objects.get("k") == b"1"
    assert await objects.put("k", b"2", if_absent=True) is False
    assert proxy.seen == [f"GET /test-bucket/{prefix}/k", f"PUT /test-bucket/{prefix}/k"]
    assert objects.url == url
    await objects.close()

    # Neither leave to send the body nor a checksum that others than AWS do not know.
    headers = {name.lower() for name in proxy.requests[1].headers}
    assert "expect" not in headers
    assert not {name for name in headers if "checksum" in name or "trailer" in name}
    sent = {name.lower(): value for name, value in proxy.requests[1].headers.items()}
    assert len(sent["x-amz-content-sha256"]) == 64


async def test_arguments_come_before_the_address_and_that_before_the_environment(
    ministack_server: S3Server, proxy: Proxy, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = ministack_server.at("http://127.0.0.1:9")
    for name, value in nowhere.environ().items():
        monkeypatch.setenv(name, value)
    url = f"s3://test-bucket/{prefix}?endpoint=http://127.0.0.1:7"
    objects = await open_s3(url, endpoint=proxy.url)
    assert await objects.get("k") is None
    assert len(proxy.seen) == 1
    await objects.close()


def test_a_client_for_aws_sends_once_and_keeps_its_checksums(
    ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ministack_server.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    client = make_client(region="eu-central-1", endpoint=None, profile=None)
    config = client.meta.config
    assert client.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"
    assert config.retries["total_max_attempts"] == 1
    assert config.max_pool_connections == 32
    assert config.request_checksum_calculation == "when_supported"
    client.close()


def test_boto3_is_loaded_only_to_make_a_client() -> None:
    code = "import sys, safepoint.objects.s3; print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
