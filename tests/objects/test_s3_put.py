"""A put that loses its answer, is refused for now, or never ends: what is stored, what is said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from tests.servers.process import free_ports
from tests.servers.proxy import Proxy, Request, Trouble
from tests.servers.s3 import S3Server

from safepoint.errors import OutcomeUnknown, Unavailable, Unsupported
from safepoint.objects.s3 import S3Objects

pytestmark = pytest.mark.anyio

OURS, THEIRS = b"ours" * 100, b"theirs"


@pytest.fixture
def objects(ministack_server: S3Server, proxy: Proxy, prefix: str) -> S3Objects:
    """Through the proxy."""
    return ministack_server.at(proxy.url).objects(prefix)


@pytest.fixture
def direct(ministack_server: S3Server, prefix: str) -> S3Objects:
    """The same place, not through the proxy."""
    return ministack_server.objects(prefix)


@pytest.mark.parametrize(
    ("trouble", "stored"),
    [
        (Trouble.CUT_BEFORE, None),
        (Trouble.CUT_AFTER, OURS),
        (Trouble.ERROR_BEFORE, None),
        (Trouble.ERROR_AFTER, OURS),
        (Trouble.LATE, None),
    ],
)
async def test_a_put_without_a_clear_answer_is_sent_once_and_called_unknown(
    objects: S3Objects, direct: S3Objects, proxy: Proxy, trouble: Trouble, stored: bytes | None
) -> None:
    proxy.schedule = {0: trouble}
    with pytest.raises(OutcomeUnknown):
        await objects.put("k", OURS, if_absent=True)
    assert len(proxy.seen) == 1
    assert await direct.get("k") == stored
    proxy.land()
    if trouble is Trouble.LATE:
        assert await direct.get("k") == OURS


@pytest.mark.parametrize("status", [500, 502, 504, 599])
async def test_no_server_error_is_taken_for_a_refusal(
    objects: S3Objects, proxy: Proxy, status: int
) -> None:
    proxy.error, proxy.schedule = (status, ""), {0: Trouble.ERROR_AFTER}
    with pytest.raises(OutcomeUnknown):
        await objects.put("k", OURS, if_absent=True)


@pytest.mark.parametrize(
    "error",
    [
        (409, "ConditionalRequestConflict"),
        (503, "SlowDown"),
        (503, ""),
        (429, "TooManyRequests"),
        (400, "RequestTimeout"),
    ],
)
async def test_what_is_refused_for_now_is_sent_again_unchanged(
    objects: S3Objects, direct: S3Objects, proxy: Proxy, error: tuple[int, str]
) -> None:
    proxy.error, proxy.schedule = error, {0: Trouble.ERROR_BEFORE, 1: Trouble.ERROR_BEFORE}
    assert await objects.put("k", OURS, if_absent=True) is True
    assert len(proxy.requests) == 3
    assert objects.repeats == 2
    assert len({(request.path, request.body) for request in proxy.requests}) == 1
    assert all(request.headers["If-None-Match"] == "*" for request in proxy.requests)
    assert await direct.get("k") == OURS


async def test_a_503_after_the_server_acted_is_recognised_as_our_own_success(
    objects: S3Objects, proxy: Proxy
) -> None:
    proxy.error, proxy.schedule = (503, ""), {0: Trouble.ERROR_AFTER}
    assert await objects.put("k", OURS, if_absent=True) is True
    assert [seen.split()[0] for seen in proxy.seen] == ["PUT", "PUT", "GET"]


async def test_a_key_that_another_took_between_two_attempts_is_lost(
    objects: S3Objects, ministack_server: S3Server, prefix: str, proxy: Proxy
) -> None:
    client = ministack_server.client()

    def decide(number: int, _: Request) -> Trouble | None:
        if number == 0:
            return Trouble.ERROR_BEFORE
        if number == 1:
            client.put_object(Bucket=ministack_server.bucket, Key=f"{prefix}/k", Body=THEIRS)
        return None

    proxy.error, proxy.decide = (503, ""), decide
    assert await objects.put("k", OURS, if_absent=True) is False
    assert await objects.get("k") == THEIRS


async def test_a_duplicated_put_is_refused_or_accepted_and_stored_once(
    objects: S3Objects, direct: S3Objects, proxy: Proxy
) -> None:
    proxy.schedule = {0: Trouble.DUPLICATE}
    assert await objects.put("k", OURS, if_absent=True) is False
    assert await direct.get("k") == OURS


@pytest.mark.parametrize(
    ("error", "kind", "timeout"),
    [
        ((503, "SlowDown"), Unavailable, 1.5),
        ((409, "ConditionalRequestConflict"), Unavailable, 1.5),
        ((503, "ServiceUnavailable"), OutcomeUnknown, 0.3),
        ((503, ""), OutcomeUnknown, 0.3),
    ],
)
async def test_at_the_end_of_its_time_a_put_says_what_is_certain(
    ministack_server: S3Server,
    prefix: str,
    proxy: Proxy,
    error: tuple[int, str],
    kind: type[Unavailable],
    timeout: float,
) -> None:
    objects = ministack_server.at(proxy.url).objects(prefix, timeout=timeout)
    proxy.error, proxy.decide = error, lambda *_: Trouble.ERROR_BEFORE
    with pytest.raises(Unavailable) as failed:
        await objects.put("k", OURS, if_absent=True)
    assert type(failed.value) is kind


async def test_a_refusal_after_an_unclear_attempt_stays_unclear(
    objects: S3Objects, direct: S3Objects, proxy: Proxy
) -> None:
    def decide(number: int, _: Request) -> Trouble | None:
        proxy.error = [(503, ""), (403, "AccessDenied")][number]
        return [Trouble.ERROR_AFTER, Trouble.ERROR_BEFORE][number]

    proxy.decide = decide
    with pytest.raises(OutcomeUnknown):
        await objects.put("k", OURS, if_absent=True)
    assert await direct.get("k") == OURS


async def test_an_unanswered_read_back_stays_unclear(
    ministack_server: S3Server, prefix: str, proxy: Proxy
) -> None:
    def decide(number: int, _: Request) -> Trouble | None:
        return {0: Trouble.ERROR_AFTER, 1: None}.get(number, Trouble.CUT_BEFORE)

    objects = ministack_server.at(proxy.url).objects(prefix, timeout=2.0)
    proxy.error, proxy.decide = (503, ""), decide
    with pytest.raises(OutcomeUnknown):
        await objects.put("k", OURS, if_absent=True)


async def test_a_server_that_stays_silent_leaves_the_outcome_unknown_and_may_act_late(
    ministack_server: S3Server, direct: S3Objects, prefix: str, proxy: Proxy
) -> None:
    objects = ministack_server.at(proxy.url).objects(prefix, read_timeout=0.2)
    proxy.schedule = {0: Trouble.HELD}
    with pytest.raises(OutcomeUnknown, match="no answer in time"):
        await objects.put("k", OURS, if_absent=True)
    assert await direct.get("k") is None
    proxy.release()
    await asyncio.to_thread(proxy.landed.wait)
    assert await direct.get("k") == OURS


async def test_the_time_limit_holds_whatever_the_client_waits_for(
    ministack_server: S3Server, prefix: str, proxy: Proxy
) -> None:
    objects = ministack_server.at(proxy.url).objects(prefix, timeout=0.2, read_timeout=1000)
    proxy.decide = lambda *_: Trouble.HELD
    with pytest.raises(OutcomeUnknown):
        await objects.put("k", OURS, if_absent=True)
    with pytest.raises(Unavailable, match="no answer in time") as failed:
        await objects.get("k")
    assert type(failed.value) is Unavailable


@pytest.fixture
def narrow(ministack_server: S3Server, prefix: str, proxy: Proxy) -> Iterator[S3Objects]:
    """One connection only, which is held for ever."""
    config = Config(max_pool_connections=1, retries={"total_max_attempts": 1})
    client = ministack_server.at(proxy.url).client(config=config)
    proxy.schedule = {0: Trouble.HELD}
    yield S3Objects(client, ministack_server.bucket, prefix, timeout=1)
    client.close()


async def test_a_put_that_never_got_its_turn_is_certainly_not_stored(
    narrow: S3Objects, proxy: Proxy
) -> None:
    first = asyncio.create_task(narrow.put("first", OURS, if_absent=True))
    await asyncio.to_thread(proxy.held.wait)
    cancelled = asyncio.create_task(narrow.put("cancelled", OURS, if_absent=True))
    with pytest.raises(Unavailable) as failed:
        await narrow.put("second", b"", if_absent=True)
    assert type(failed.value) is Unavailable
    cancelled.cancel()
    proxy.release()
    with pytest.raises(OutcomeUnknown):
        await first
    assert await narrow.get("second") is None
    assert [seen.split()[0] for seen in proxy.seen] == ["PUT", "GET"]


async def test_where_nothing_listens_nothing_is_stored(
    ministack_server: S3Server, prefix: str
) -> None:
    objects = ministack_server.at(f"http://127.0.0.1:{free_ports(1)[0]}").objects(prefix)
    with pytest.raises(Unavailable, match="nothing answers") as failed:
        await objects.put("k", OURS, if_absent=True)
    assert type(failed.value) is Unavailable
    assert failed.value.code == "unreachable"


async def test_a_client_that_repeats_by_itself_does_not_turn_success_into_refusal(
    ministack_server: S3Server, prefix: str, proxy: Proxy
) -> None:
    config = Config(retries={"mode": "standard", "total_max_attempts": 3})
    client = ministack_server.at(proxy.url).client(config=config)
    objects = S3Objects(client, ministack_server.bucket, prefix, close_client=True)
    proxy.schedule = {0: Trouble.CUT_AFTER}
    assert await objects.put("k", OURS, if_absent=True) is True
    assert [seen.split()[0] for seen in proxy.seen] == ["PUT", "PUT", "GET"]


async def test_a_server_that_does_not_know_conditional_puts_is_unsupported(
    objects: S3Objects, proxy: Proxy
) -> None:
    proxy.error, proxy.schedule = (501, "NotImplemented"), {0: Trouble.ERROR_BEFORE}
    with pytest.raises(Unsupported, match="does not know conditional puts"):
        await objects.put("k", OURS, if_absent=True)


async def test_a_put_is_one_request_without_waiting_for_leave(
    objects: S3Objects, proxy: Proxy
) -> None:
    await objects.put("log/1", OURS, if_absent=True, after="log/0")
    await objects.put("index.html", b"<p>")
    await objects.put("safepoint/000001.json", b"{}")
    assert [request.method for request in proxy.requests] == ["PUT"] * 3
    assert [request.headers["Content-Type"] for request in proxy.requests] == [
        "application/octet-stream",
        "text/html; charset=utf-8",
        "application/json",
    ]
