"""The operator's doors: what all owners share, for a key with the right; and deliveries sent again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from eventing.client import AsyncClient
from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from eventing.store.lanes.circuit_breaker import OPEN_AFTER
from eventing.testing import Script
from tests.integration.api.deployment import Deployment, deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROMPT = "a prompt that only its owner reads"
PROBE = "/v1/operate/models/tiny/lanes/default/probe"
CAPACITY = {"endpoints": lambda url: (Endpoint(model="tiny", url=url, capacity=1),)}


@dataclass
class Callers:
    """A service that wants keys, and the keys of an operator and of two owners."""

    service: Deployment
    operator: str
    ann: str
    bob: str

    async def call(self, key: str, method: str, path: str, **body: Any) -> tuple[int, Any]:
        arguments = {"json": body} if body else {}
        headers = {"Authorization": f"Bearer {key}"}
        answer, content = await self.service.call(method, path, headers=headers, **arguments)
        return answer.status, content

    async def look(self) -> Any:
        status, view = await self.call(self.operator, "GET", "/v1/operate")
        assert status == 200, view
        return view

    async def dead_delivery(self, key: str) -> tuple[str, dict[str, Any]]:
        """A job of this key, and its webhook, which the receiver has refused for good."""
        self.service.receiver.answers["/hook"] = [web.Response(status=410)]
        _, job = await self.call(
            key, "POST", "/v1/jobs", prompt=PROMPT, callback_url=f"{self.service.receiver.url}/hook"
        )
        await self.service.receiver.next("/hook")
        while True:
            _, log = await self.call(key, "GET", f"/v1/jobs/{job['id']}/deliveries")
            if dead := [entry for entry in log["data"] if entry["status"] == "dead"]:
                return job["id"], dead[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def callers(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[Callers]:
    folder = tmp_path_factory.mktemp("operate")
    async with deployment(folder, bucket, auth="required", **CAPACITY) as service:
        keys = service.service.container.keys
        operator = await keys.create("root", may_operate=True)
        yield Callers(service, operator, await keys.create("ann"), await keys.create("bob"))


async def test_only_a_key_with_the_right_operates(callers: Callers) -> None:
    answer, _ = await callers.service.call("GET", "/v1/operate")
    assert answer.status == 401
    for method, path in (
        ("GET", ""), ("GET", "/keys"), ("GET", "/deliveries"), ("GET", "/dead-letters"),
        ("POST", PROBE.removeprefix("/v1/operate")), ("POST", "/deliveries/msg_1/replay"),
        ("POST", "/dead-letters/dl_1/replay"),
    ):  # fmt: skip
        status, problem = await callers.call(callers.ann, method, f"/v1/operate{path}")
        assert (status, problem["code"]) == (403, "forbidden"), path
        assert "--operate" in problem["detail"]


async def test_a_caller_learns_its_owner_and_rights(callers: Callers) -> None:
    _, ann = await callers.call(callers.ann, "GET", "/v1/caller")
    _, root = await callers.call(callers.operator, "GET", "/v1/caller")
    assert (ann["owner"], ann["may_operate"], ann["max_priority"]) == ("ann", False, 0)
    assert ann["key_needed"]
    assert (root["owner"], root["may_operate"]) == ("root", True)
    status, _ = await callers.call("rz_wrong_key", "GET", "/v1/caller")
    assert status == 401


async def test_the_view_shows_who_waits_what_runs_and_what_ended_without_a_prompt(callers: Callers) -> None:
    gate, started = asyncio.Event(), asyncio.Event()
    callers.service.predictor.scripts = [Script(gate=gate)]
    callers.service.predictor.on_start = lambda _: started.set()
    _, first = await callers.call(callers.ann, "POST", "/v1/jobs", prompt=PROMPT)
    await started.wait()
    _, second = await callers.call(callers.bob, "POST", "/v1/jobs", prompt=PROMPT)
    view = await callers.look()
    (lane,) = view["lanes"]
    assert (lane["model"], lane["lane"], lane["queued"], lane["in_progress"]) == ("tiny", "default", 1, 1)
    flows = {flow["owner"]: (flow["queued"], flow["in_progress"]) for flow in lane["owners"]}
    assert flows == {"bob": (1, 0), "ann": (0, 1)}
    assert lane["owners"][0]["oldest_seconds"] == lane["oldest_seconds"] >= 0
    assert {"name": "tiny/default", "free": 0, "taken": 1} in view["pools"]
    assert [(job["id"], job["owner"], job["attempt"]) for job in view["running"]] == [(first["id"], "ann", 1)]
    (behind,) = view["endpoints"]  # its one job may still be one that waits for its pod
    assert behind["starting"] + behind["working"] == behind["taken"] == 1 and behind["free"] == 0
    assert behind["state"] == ("working" if behind["working"] else "starting")
    assert behind["address"] == callers.service.predictor.url.removeprefix("http://")
    gate.set()
    headers = {"Authorization": f"Bearer {callers.bob}"}
    await callers.service.ended(second["id"], headers=headers)
    view = await callers.look()
    (recent,) = view["recent"]
    assert recent["completed"] >= 2 and view["lanes"][0]["queued"] == 0
    (behind,) = view["endpoints"]
    assert behind["taken"] == 0 and behind["state"] == "idle"
    assert (behind["cold_start_seconds"] is None) == (recent["cold_starts"] == 0)
    assert PROMPT not in json.dumps(view)


async def test_a_server_without_logs_of_its_own_says_where_they_are(callers: Callers) -> None:
    _, job = await callers.call(callers.operator, "POST", "/v1/jobs", prompt=PROMPT)
    assert "log" not in job["links"]
    status, problem = await callers.call(callers.operator, "GET", f"/v1/jobs/{job['id']}/log")
    assert (status, problem["code"]) == (404, "not_found") and "pods" in problem["detail"]
    _, mine = await callers.call(callers.ann, "POST", "/v1/jobs", prompt=PROMPT)
    for key, refused in ((callers.ann, 403), (callers.operator, 404)):
        status, problem = await callers.call(key, "GET", f"/v1/jobs/{mine['id']}/log")
        assert status == refused, problem


async def test_a_paused_lane_shows_its_reason_and_is_tried_at_once(callers: Callers) -> None:
    claims = callers.service.service.container.claims
    status, problem = await callers.call(callers.operator, "POST", PROBE)
    assert (status, problem["field"]) == (409, "lane") and "not paused" in problem["detail"]
    _, done = await callers.call(callers.ann, "POST", "/v1/jobs", prompt=PROMPT)
    headers = {"Authorization": f"Bearer {callers.ann}"}
    await callers.service.ended(done["id"], headers=headers)
    job = await callers.service.service.container.job_store.get(done["id"])
    for _ in range(OPEN_AFTER):
        await claims.start_failed(job, "no pod came", 3600.0)
    _, waiting = await callers.call(callers.ann, "POST", "/v1/jobs", prompt=PROMPT)
    paused = (await callers.look())["lanes"][0]["paused"]
    assert (paused["reason"], paused["failures"]) == ("no pod came", OPEN_AFTER)
    status, _ = await callers.call(callers.operator, "POST", PROBE)
    assert status == 202
    ended = await callers.service.ended(waiting["id"], headers=headers)
    assert ended["status"] == "completed"
    assert (await callers.look())["lanes"][0]["paused"] is None
    for model, lane, field in (("none", "default", "model"), ("tiny", "none", "lane")):
        path = f"/v1/operate/models/{model}/lanes/{lane}/probe"
        status, problem = await callers.call(callers.operator, "POST", path)
        assert (status, problem["field"]) == (404, field)


async def test_an_owner_sends_a_dead_delivery_again_and_no_other_owner_does(callers: Callers) -> None:
    job_id, dead = await callers.dead_delivery(callers.ann)
    path = f"/v1/jobs/{job_id}/deliveries/{dead['id']}/replay"
    assert (await callers.call(callers.bob, "POST", path))[0] == 404
    _, other = await callers.call(callers.bob, "POST", "/v1/jobs", prompt=PROMPT)
    elsewhere = f"/v1/jobs/{other['id']}/deliveries/{dead['id']}/replay"
    assert (await callers.call(callers.bob, "POST", elsewhere))[0] == 404
    async with AsyncClient(callers.service.url, callers.ann) as client:
        delivery = await client.replay(job_id, dead["id"])
    assert (delivery["status"], delivery["log"][0]["try"]) == ("pending", 1)
    again = await callers.service.receiver.next("/hook")
    assert again.headers["webhook-id"] == dead["id"]


async def test_an_operator_finds_dead_deliveries_page_by_page_and_sends_them_again(callers: Callers) -> None:
    dead = {(await callers.dead_delivery(key))[1]["id"] for key in (callers.ann, callers.bob)}
    assert (await callers.look())["deliveries_dead"] >= 2
    seen, after = list[dict[str, Any]](), ""
    while True:
        _, page = await callers.call(callers.operator, "GET", f"/v1/operate/deliveries?limit=1{after}")
        seen += page["data"]
        if not page["has_more"]:
            break
        after = f"&after={page['next']}"
    ids = [each["id"] for each in seen]
    assert dead <= set(ids) and len(ids) == len(set(ids))
    mine = [each for each in seen if each["id"] in dead]
    assert {each["owner"] for each in mine} == {"ann", "bob"}
    assert all("410" in each["last_error"] and each["target"].endswith("/hook") for each in mine)
    for each in mine:
        path = f"/v1/operate/deliveries/{each['id']}/replay"
        status, body = await callers.call(callers.operator, "POST", path)
        assert (status, body["status"]) == (202, "pending")
    assert {(await callers.service.receiver.next("/hook")).headers["webhook-id"] for _ in mine} == dead
    status, _ = await callers.call(callers.operator, "POST", "/v1/operate/deliveries/msg_none/replay")
    assert status == 404


async def test_a_dead_letter_goes_to_the_sink_again_and_leaves_the_list(callers: Callers) -> None:
    lost = {"specversion": "1.0", "id": "lost-1", "source": "/shop", "type": "shop.order", "data": {"a": 1}}
    headers = {"Authorization": f"Bearer {callers.bob}", "Content-Type": "application/cloudevents+json"}
    await callers.service.call("POST", "/events/dead-letter", data=json.dumps(lost), headers=headers)
    _, page = await callers.call(callers.operator, "GET", "/v1/operate/dead-letters")
    (letter,) = page["data"]
    assert (letter["owner"], letter["event_id"], letter["source"]) == ("bob", "lost-1", "/shop")
    assert "data" not in letter and "event" not in letter
    path = f"/v1/operate/dead-letters/{letter['id']}/replay"
    assert (await callers.call(callers.operator, "POST", path))[0] == 202
    assert (await callers.service.receiver.next("/sink", "shop.order")).json == lost
    assert (await callers.call(callers.operator, "GET", "/v1/operate/dead-letters"))[1]["data"] == []
    assert (await callers.call(callers.operator, "POST", path))[0] == 404


async def test_keys_are_listed_without_their_secrets(callers: Callers) -> None:
    status, body = await callers.call(callers.operator, "GET", "/v1/operate/keys")
    rights = {key["owner"]: key["may_operate"] for key in body["data"]}
    assert (status, rights) == (200, {"root": True, "ann": False, "bob": False})
    assert body["queue_quota"] == 1000
    text = json.dumps(body)
    assert not any(key.split("_", 2)[2] in text for key in (callers.operator, callers.ann, callers.bob))


@pytest.mark.asyncio(loop_scope="session")
async def test_without_keys_the_local_caller_operates(shared: Deployment) -> None:
    _, caller = await shared.call("GET", "/v1/caller")
    assert (caller["owner"], caller["may_operate"], caller["key_needed"]) == ("local", True, False)
    answer, _ = await shared.call("GET", "/v1/operate")
    assert answer.status == 200
