"""The random history of tests/test_state_machine.py over S3, with trouble at any request."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.conftest import CAMPAIGN
from tests.s3.bucket import SELDOM
from tests.servers.proxy import Proxy, Trouble
from tests.servers.s3 import S3Server
from tests.test_state_machine import KEY_FILE, Machine

from safepoint import Patience, Store
from safepoint.objects.s3 import S3Objects
from safepoint.testing.faults import Fault

TROUBLES = {
    Fault.REFUSED: Trouble.ERROR_BEFORE,
    Fault.LOST_RESPONSE: Trouble.CUT_AFTER,
    Fault.TIMED_OUT: Trouble.CUT_BEFORE,
    Fault.LATE: Trouble.LATE,
    Fault.CRASH_BEFORE: Trouble.CUT_ANSWER,
    Fault.CRASH_AFTER: Trouble.ERROR_AFTER,
}
"""Processes do not crash here: others of these tests kill them."""


class Troubled(S3Objects):
    """Through a proxy, which the machine tells what is to happen as it tells FaultyObjects."""

    crashed = False

    def __init__(self, server: S3Server, prefix: str, client: Any, proxy: Proxy) -> None:
        super().__init__(client, server.bucket, prefix, timeout=10.0)
        self._proxy = proxy

    @property
    def operations(self) -> int:
        return len(self._proxy.requests)

    @property
    def schedule(self) -> Mapping[int, Fault]:
        return {}

    @schedule.setter
    def schedule(self, faults: Mapping[int, Fault]) -> None:
        self._proxy.schedule = {number: TROUBLES[fault] for number, fault in faults.items()}

    async def land(self) -> None:
        self._proxy.land()


class S3Machine(Machine):
    def __init__(self, server: S3Server, direct: Any, proxied: Any, proxy: Proxy) -> None:
        super().__init__()
        self._server = server
        self._direct = direct
        self._proxied = proxied
        self._proxy = proxy
        self._prefix = uuid.uuid4().hex

    async def open(self) -> None:
        self.faulty = Troubled(self._server, self._prefix, self._proxied, self._proxy)
        self.store = await self.stack.enter_async_context(self.fresh(self.faulty))

    def fresh(self, objects: Any) -> Any:
        if objects is self.inner:
            objects = S3Objects(self._direct, self._server.bucket, self._prefix)
        return Store.open(
            objects,
            key_file=KEY_FILE,
            clock=lambda: self.now,
            patience=Patience(10.0, 10.0),
            pages="off",
            pace=SELDOM,
        )


def hold_against_the_model(server: S3Server, proxy: Proxy, *, histories: int) -> None:
    direct = server.client()
    proxied = server.at(proxy.url).client()
    run_state_machine_as_test(
        lambda: S3Machine(server, direct, proxied, proxy),
        settings=settings(
            max_examples=histories * CAMPAIGN,
            stateful_step_count=12,
            deadline=None,
            phases=[Phase.reuse, Phase.generate],  # to shrink a failure would take long
        ),
    )
    direct.close()
    proxied.close()


def test_a_random_history_over_a_troubled_line_is_that_of_a_plain_model(
    ministack_server: S3Server, proxy: Proxy
) -> None:
    hold_against_the_model(ministack_server, proxy, histories=6)


def test_so_is_one_on_a_real_server(seaweedfs_server: S3Server) -> None:
    with Proxy(seaweedfs_server.endpoint) as proxy:
        hold_against_the_model(seaweedfs_server, proxy, histories=2)
