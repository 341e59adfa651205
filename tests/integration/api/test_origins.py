"""auth=open serves programs and pages of this machine, not web pages of other origins."""

from __future__ import annotations

from typing import Any

import pytest

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import Deployment, deployment

BODY = '{"prompt": "a red circle moving right", "callback_url": "http://127.0.0.1:1/"}'
REFUSED = 403
DOORS = ["/v1/jobs", "/events", "/v1/videos", "/v2/models/tiny/generate"]
in_session = pytest.mark.asyncio(loop_scope="session")


def own(service: Deployment) -> str:
    return service.url.removeprefix("http://")


@pytest.mark.parametrize(
    "host",
    ["rebound.example", "rebound.example:8080", "127.0.0.1.rebound.example", "0.0.0.0", "10.0.0.1", "a b"],
)
@pytest.mark.parametrize(
    "path", ["/v1/jobs", "/", "/static/js/app.js", "/metrics", "/docs", "/v2/health/live"]
)
@in_session
async def test_a_rebound_name_reads_nothing(shared: Deployment, host: str, path: str) -> None:
    answer, body = await shared.call("GET", path, headers={"Host": host})
    assert answer.status == REFUSED
    assert "REELZERO_ALLOWED_HOSTS" in str(body)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.8.8.8:9", "[::1]:80"]
)
@in_session
async def test_loopback_hosts_are_served(shared: Deployment, host: str) -> None:
    answer, _ = await shared.call("GET", "/v1/models", headers={"Host": host})
    assert answer.status == 200


@pytest.mark.parametrize("path", DOORS)
@pytest.mark.parametrize(
    "media",
    [
        "application/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ],
)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ],
)
@in_session
async def test_a_foreign_page_starts_nothing(
    shared: Deployment, path: str, media: str, headers: dict[str, str]
) -> None:
    answer, _ = await shared.call("POST", path, data=BODY, headers=headers | {"Content-Type": media})
    assert answer.status == REFUSED


@in_session
async def test_a_foreign_page_reads_nothing_but_may_link_here(shared: Deployment) -> None:
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    frame = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await shared.call("GET", "/v1/jobs", headers=image))[0].status == REFUSED
    assert (await shared.call("GET", "/", headers=frame))[0].status == REFUSED
    assert (await shared.call("GET", "/", headers=link))[0].status == 200


@pytest.mark.parametrize("site", ["same-origin", "none"])
@in_session
async def test_our_own_page_is_served(shared: Deployment, site: str) -> None:
    headers = {"Origin": shared.url, "Sec-Fetch-Site": site}
    answer, _ = await shared.call("GET", "/v1/jobs", headers=headers)
    assert answer.status == 200


async def test_the_operator_can_list_more_hosts(tmp_path: Any, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, allowed_hosts="studio.example, [fd00::5]") as service:
        for headers, status in (
            ({"Host": "studio.example"}, 200),
            ({"Host": "Studio.Example:8443", "Origin": "https://studio.example"}, 200),
            ({"Host": "[fd00::5]:80"}, 200),
            ({"Host": own(service), "Origin": "https://studio.example"}, 200),
            ({"Host": "other.example"}, REFUSED),
            ({"Host": "studio.example", "Origin": "https://other.example"}, REFUSED),
        ):
            answer, _ = await service.call("GET", "/v1/jobs", headers=headers)
            assert answer.status == status, headers


async def test_with_keys_any_host_is_served(public: Deployment) -> None:
    key = await public.service.container.keys.create("ann")
    headers = {"Host": "reelzero.example", "Origin": "https://x.example", "Authorization": f"Bearer {key}"}
    answer, _ = await public.call("GET", "/v1/jobs", headers=headers)
    assert answer.status == 200
