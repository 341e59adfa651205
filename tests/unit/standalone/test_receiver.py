"""The sink and webhook receiver of `reelzero run`: both content modes, early events, wrong signatures."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

from eventing.contract.errors import Unauthorized
from eventing.delivery.signing import signature_headers
from eventing.standalone.one_shot.receiver import Receiver

SECRET = "whsec_" + "QUJD" * 10
DONE = {
    "type": "dev.reelzero.video.completed.v1", "source": "urn:test", "subject": "vid_1",
    "datacontenttype": "application/json",
}  # fmt: skip


async def post(url: str, headers: dict[str, str], body: bytes) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("convert", [to_binary, to_structured])
async def test_an_event_that_came_early_is_not_missed(convert: Callable[..., Any]) -> None:
    async with Receiver() as receiver:
        headers, body = convert(CloudEvent(DONE, {"job_id": "vid_1"}))
        assert await post(receiver.sink_url, headers, body) == 202
        received = await receiver.event("vid_1", 30)
        assert (received.type, received.data) == (DONE["type"], {"job_id": "vid_1"})


async def test_only_the_end_of_that_job_counts() -> None:
    async with Receiver() as receiver:
        for change in ({"type": "dev.reelzero.video.started.v1"}, {"subject": "vid_2"}):
            headers, body = to_structured(CloudEvent(DONE | change, {}))
            assert await post(receiver.sink_url, headers, body) == 202
        with pytest.raises(TimeoutError):
            await receiver.event("vid_1", 0.01)


async def test_what_is_no_event_is_refused() -> None:
    async with Receiver() as receiver:
        assert await post(receiver.sink_url, {"content-type": "application/json"}, b"{}") == 400


async def test_a_signed_webhook_is_taken_and_any_other_is_not() -> None:
    async with Receiver() as receiver:
        receiver.secret = SECRET
        headers, body = to_structured(CloudEvent(DONE, {"job_id": "vid_1"}))
        signed = signature_headers((SECRET,), "msg", body.decode(), datetime.now(UTC))
        assert await post(receiver.webhook_url, {**headers, **signed}, body) == 202
        assert (await receiver.webhook("vid_1", 30)).data == {"job_id": "vid_1"}

        other = json.dumps({**json.loads(body), "subject": "vid_2"}).encode()
        assert await post(receiver.webhook_url, {**headers, **signed}, other) == 401
        with pytest.raises(Unauthorized, match="signature is not valid"):
            await receiver.webhook("vid_2", 30)
