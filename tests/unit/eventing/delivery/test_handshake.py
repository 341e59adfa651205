"""The handshake from the sender's side: consent is a header, a rate is kept, an answer is remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

import aiohttp
import pytest
from aiohttp import web

from eventing.delivery import handshake
from eventing.delivery.handshake import HandshakeRefused, Handshakes
from tests.support.receivers import Receiver


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Asked(Receiver):
    """A receiver that answers OPTIONS with these headers."""

    async def __aenter__(self) -> Self:
        self.asked: list[str | None] = []
        self.headers: dict[str, str] = {}
        self.status = 200
        app = web.Application()
        app.router.add_options("/hook", self._consent)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def _consent(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("WebHook-Request-Origin"))
        return web.Response(status=self.status, headers=self.headers)


@pytest.mark.parametrize("allowed", ["*", "reelzero.example.com"])
async def test_consent_is_remembered_whatever_the_status(
    session: aiohttp.ClientSession, allowed: str
) -> None:
    async with Asked() as receiver:
        receiver.headers, receiver.status = {"WebHook-Allowed-Origin": allowed}, 405
        handshakes = Handshakes("https://reelzero.example.com/x")
        for _ in range(3):
            await handshakes.wait(session, receiver.url("hook"))
        assert receiver.asked == ["reelzero.example.com"]


@pytest.mark.parametrize("headers", [{}, {"WebHook-Allowed-Origin": "else.example.com"}])
async def test_no_consent_is_asked_for_again_next_time(
    session: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with Asked() as receiver:
        receiver.headers = headers
        handshakes = Handshakes("https://reelzero.example.com")
        for _ in range(2):
            with pytest.raises(HandshakeRefused):
                await handshakes.wait(session, receiver.url("hook"))
        assert len(receiver.asked) == 2


async def test_the_receivers_rate_is_kept(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "MAX_WAIT_SECONDS", 1.0)
    async with Asked() as receiver:
        receiver.headers = {"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "1"}
        handshakes = Handshakes("https://reelzero.example.com")
        await handshakes.wait(session, receiver.url("hook"))
        with pytest.raises(HandshakeRefused, match="Rate"):
            await handshakes.wait(session, receiver.url("hook"))
