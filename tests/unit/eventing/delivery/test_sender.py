"""Signatures the receivers' own library accepts, addresses that are refused, receivers that misbehave."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any, Self

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from eventing.contract.env import read
from eventing.contract.errors import ConfigurationError
from eventing.contract.http.ssrf import AddressPolicy, is_public
from eventing.contract.storage.s3 import Bucket, S3Location
from eventing.contract.storage.s3_http import ObjectClient
from eventing.delivery.sender import Sender, retry_after
from eventing.delivery.signing import check_secrets, signature_headers
from eventing.delivery.sink_binding import SinkBinding
from eventing.domain import destinations
from eventing.settings import Settings
from eventing.store.outbox import OutboxMessage, Try

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()
BODY = '{"specversion": "1.0", "id": "1"}'


def row(target: str, body: str = BODY) -> OutboxMessage:
    return OutboxMessage(
        "msg_1", "e", "t", "j", "o", destinations.Webhook(target), body, 0, "pending", None, 0, 0, None
    )


class Receiver:
    """A webhook receiver on a free loopback port whose answers the test sets."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.got: list[tuple[web.Request, str]] = []

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.port = self.runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.got.append((request, await request.text()))
        return await self.answer(request) if callable(self.answer) else web.Response(**self.answer)


async def send(target: str, *, allow: str = "", timeout: float = 5.0) -> Try:
    settings = read(
        Settings, webhook_secrets=f"{OLD},{NEW}", webhook_allow=allow, webhook_timeout_seconds=timeout
    )
    sender = Sender(
        settings, ObjectClient(Bucket(S3Location("b", "http://127.0.0.1:1"))), SinkBinding(settings, {})
    )
    try:
        return await sender.send(row(target))
    finally:
        await sender.close()


async def test_every_secret_signs_so_that_receivers_can_rotate() -> None:
    async with Receiver({"status": 204}) as receiver:
        outcome = await send(receiver.url, allow=f"127.0.0.1:{receiver.port}")
    request, body = receiver.got[0]
    assert outcome.ok and body == BODY
    for secret in (OLD, NEW):
        Webhook(secret).verify(body, dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(body + " ", dict(request.headers))
    assert request.headers["webhook-id"] == "msg_1"
    assert request.content_type == "application/cloudevents+json"


def test_a_signature_is_bound_to_its_time() -> None:
    headers = signature_headers((OLD,), "msg_1", BODY, datetime.now(UTC) - timedelta(minutes=10))
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(BODY, headers)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_internal_addresses_are_refused_at_connect_time_and_for_good(host: str) -> None:
    async with Receiver({"status": 200}) as receiver:
        outcome = await send(f"http://{host}:{receiver.port}/hook")
    assert not outcome.ok and outcome.final and receiver.got == []
    assert "not a public address" in (outcome.error or "")


async def test_a_cidr_on_the_list_is_let_through() -> None:
    async with Receiver({"status": 200}) as receiver:
        assert (await send(receiver.url, allow="127.0.0.0/8")).ok


async def test_a_redirect_is_a_failure_and_is_not_followed() -> None:
    async with Receiver({"status": 302, "headers": {"Location": "/elsewhere"}}) as receiver:
        outcome = await send(receiver.url, allow="127.0.0.0/8")
    assert (outcome.ok, outcome.http_status, outcome.final, len(receiver.got)) == (False, 302, False, 1)


async def test_gone_ends_it_and_too_many_says_when() -> None:
    async with Receiver({"status": 410}) as receiver:
        assert (await send(receiver.url, allow="127.0.0.0/8")).final
    async with Receiver({"status": 429, "headers": {"Retry-After": "7"}}) as receiver:
        outcome = await send(receiver.url, allow="127.0.0.0/8")
    assert (outcome.final, outcome.retry_after) == (False, 7.0)


async def test_a_receiver_that_hangs_or_refuses_is_tried_again() -> None:
    async def hang(_: web.Request) -> None:
        await asyncio.Event().wait()

    async with Receiver(hang) as receiver:
        outcome = await send(receiver.url, allow="127.0.0.0/8", timeout=0.2)
        port = receiver.port
    assert not outcome.ok and not outcome.final and outcome.error
    refused = await send(f"http://127.0.0.1:{port}/", allow="127.0.0.0/8")
    assert not refused.ok and not refused.final


@pytest.mark.parametrize(
    "address, public",
    [
        ("8.8.8.8", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("169.254.169.254", False), ("0.0.0.0", False), ("100.64.0.1", False), ("224.0.0.1", False),
        ("::1", False), ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:10.0.0.1", False),
        ("64:ff9b::a00:1", False), ("2002:0a00:0001::1", False), ("::ffff:8.8.8.8", True),
        ("64:ff9b::808:808", True), ("64:ff9b:1::a00:1", False), ("::10.0.0.1", False), ("::8.8.8.8", False),
        ("::ffff:0:10.0.0.1", False), ("fec0::1", False), ("5f00::1", False), ("3fff::1", False),
        ("168.63.129.16", False), ("168.63.129.17", True), ("192.0.0.9", False), ("192.0.0.10", False),
        ("192.0.0.192", False), ("192.88.99.1", False), ("100.100.100.200", False), ("198.18.0.1", False),
        ("fd00:ec2::254", False), ("fd20:ce::254", False), ("::ffff:168.63.129.16", False),
        ("64:ff9b::a83f:8110", False), ("2002:0808:0808::1", False), ("2001:0:808:808::1", False),
        ("2001:4:112::1", False), ("199.36.153.8", False), ("161.26.0.10", False), ("166.9.1.1", False),
        ("255.255.255.255", False), ("192.31.196.1", False), ("2a00:1450:4001::1", True),
    ],
)  # fmt: skip
def test_what_is_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_a_bad_allow_entry_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="neither host:port nor a CIDR"):
        AddressPolicy(("example.com",))


def test_retry_after_in_seconds_as_a_date_and_as_nonsense() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100))
    wait = retry_after({"Retry-After": soon})
    assert wait is not None and 90 < wait <= 100
    assert retry_after({"Retry-After": "99999999"}) == 86400
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None


@pytest.mark.parametrize("wish", ["Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "\u00b2", "-1"])
def test_a_senseless_retry_after_is_no_wish(wish: str) -> None:
    assert retry_after({"Retry-After": wish}) in (None, 0.0)


def test_a_bad_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_secrets((OLD, "hunter2"))
    assert "entry 2" in str(caught.value) and "hunter2" not in str(caught.value)


def test_the_table_refuses_everything_that_python_calls_not_global() -> None:
    """Also on Pythons whose own table is older or newer than ours."""
    for first in range(256):
        for rest in ("0.0.1", "0.2.1", "18.0.1", "51.100.1", "64.0.1", "88.99.1", "168.0.1", "254.0.1"):
            address = ip_address(f"{first}.{rest}")
            assert address.is_global or not is_public(str(address)), address
