"""Webhooks as receivers see them: signatures by their libraries, consent, and the log of every try."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import OLD_SECRET, SECRET, Deployment, deployment

PROMPT = "a red circle moving right"


async def submit(service: Deployment, **fields: Any) -> str:
    body = {"prompt": PROMPT, "callback_url": service.receiver.url + "/hook"} | fields
    _, job = await service.call("POST", "/v1/jobs", json=body)
    job_id: str = job["id"]
    return job_id


async def delivered(service: Deployment, job_id: str) -> dict[str, Any]:
    """The webhook's entry in the job's delivery log."""
    _, log = await service.call("GET", f"/v1/jobs/{job_id}/deliveries")
    return next(entry for entry in log["data"] if entry["destination"] == "webhook")


async def test_both_secrets_verify_while_they_are_rotated(service: Deployment) -> None:
    job_id = await submit(service)
    got = await service.receiver.next("/hook")
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(got.body, got.headers)["subject"] == job_id
    assert len(got.headers["webhook-signature"].split()) == 2
    assert got.headers["webhook-request-origin"] == "127.0.0.1"
    assert len(got.body) < 20_000
    assert base64.b64encode(b"n").decode() not in got.body


async def test_the_log_shows_every_try_and_a_replay_repeats_the_id(service: Deployment) -> None:
    service.receiver.answers["/hook"] = [web.Response(status=410)]
    job_id = await submit(service)
    first = await service.receiver.next("/hook")
    while (entry := await delivered(service, job_id))["status"] == "pending":
        pass
    assert (entry["status"], entry["tries"]) == ("dead", 1)
    assert (entry["log"][0]["http_status"], entry["log"][0]["try"]) == (410, 1)
    await service.service.container.outbox.replay(entry["id"])
    again = await service.receiver.next("/hook")
    assert again.headers["webhook-id"] == first.headers["webhook-id"]
    assert again.body == first.body


async def test_a_receiver_that_does_not_consent_is_sent_nothing(tmp_path: Path, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, webhook_handshake=True) as service:
        service.receiver.consent = None
        job_id = await submit(service)
        while not (entry := await delivered_or_none(service, job_id)) or not entry["log"]:
            pass
        assert "does not permit deliveries" in entry["log"][0]["error"]
        assert service.receiver.queue("/hook").empty()
        asked = service.receiver.asked[0]
        assert asked["webhook-request-origin"] == "127.0.0.1"


async def test_a_receiver_that_consents_is_asked_once(tmp_path: Path, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, webhook_handshake=True) as service:
        service.receiver.consent = "127.0.0.1"
        for _ in range(2):
            await submit(service)
            await service.receiver.next("/hook")
        assert len(service.receiver.asked) == 1


async def delivered_or_none(service: Deployment, job_id: str) -> dict[str, Any] | None:
    _, log = await service.call("GET", f"/v1/jobs/{job_id}/deliveries")
    return next((entry for entry in log["data"] if entry["destination"] == "webhook"), None)


async def test_the_callback_is_kept_and_called_as_it_was_given(tmp_path: Path, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, webhook_allow="127.0.0.0/8,::1/128") as service:
        address = service.receiver.url.replace("127.0.0.1", "LocalHost") + "/%7Ea//b?sig=a%2Bb+c&e=%e4"
        _, job = await service.call("POST", "/v1/jobs", json={"prompt": PROMPT, "callback_url": address})
        assert job["callback_url"] == address
        await service.receiver.next("/~a//b")  # aiohttp's server decodes the path, and keeps the raw one
        assert service.receiver.raw_paths == ["/%7Ea//b?sig=a%2Bb+c&e=%e4"]
        assert (await delivered(service, job["id"]))["target"] == address
