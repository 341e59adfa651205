"""Bad input: 4xx with the field named, nothing stored, never a 500; and who may see what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from starlette.testclient import TestClient

from eventing.api.app import create_app
from eventing.container import build_container
from eventing.contract.catalog import load_catalog
from eventing.contract.env import read
from eventing.contract.errors import ConfigurationError
from eventing.dispatch.endpoints import RemoteEndpoints
from eventing.service import Service
from eventing.settings import Endpoint, Settings
from eventing.store.tables import jobs
from eventing.testing import Script
from tests.integration.conftest import MakeStack, Stack
from tests.support.receivers import Delivery

OK = {"prompt": "a red circle"}
EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/test",
    "ce-type": "dev.reelzero.video.requested.v1",
    "content-type": "application/json",
}
STRUCTURED = {"specversion": "1.0", "id": "1", "source": "/test", "type": EVENT["ce-type"], "data": OK}

JOBS = {
    "no prompt": ({}, 422, "prompt"),
    "an empty prompt": ({"prompt": ""}, 422, "prompt"),
    "a blank prompt": ({"prompt": " \n\t"}, 422, "prompt"),
    "a prompt of 10,000 characters": ({"prompt": "x" * 10_000}, 422, "prompt"),
    "a prompt with NUL": ({"prompt": "a\x00b"}, 422, "prompt"),
    "a prompt that is a number": ({"prompt": 7}, 422, "prompt"),
    "an unknown model": (OK | {"model": "sora"}, 422, "model"),
    "a model that is not served here": (OK | {"model": "mochi-1-preview"}, 422, "model"),
    "a size the model cannot do": (OK | {"width": 640, "height": 480}, 422, "width"),
    "a height the model cannot do": (OK | {"width": 64, "height": 128}, 422, "height"),
    "a frame count the model cannot do": (OK | {"num_frames": 12}, 422, "num_frames"),
    "no frames": (OK | {"num_frames": 0}, 422, "num_frames"),
    "a negative seed": (OK | {"seed": -1}, 422, "seed"),
    "an unknown quality": (OK | {"quality": "best"}, 422, "quality"),
    "an unknown field": (OK | {"promt": "x"}, 422, "promt"),
    "an unknown lane": (OK | {"lane": "vip"}, 422, "lane"),
    "a callback that is not http": (OK | {"callback_url": "ftp://example.com/"}, 422, "callback_url"),
    "a callback that is no URL": (OK | {"callback_url": "example"}, 422, "callback_url"),
    "a callback with a space": (OK | {"callback_url": "http://example.com/a b"}, 422, "callback_url"),
    "a callback with a line end": (OK | {"callback_url": "http://example.com/\n"}, 422, "callback_url"),
    "a callback with a backslash": (OK | {"callback_url": "http://e.test\\@f.test/"}, 422, "callback_url"),
    "a callback without a host": (OK | {"callback_url": "http:///x"}, 422, "callback_url"),
    "a callback without slashes": (OK | {"callback_url": "http:example.com/x"}, 422, "callback_url"),
    "a callback that is a number": (OK | {"callback_url": 7}, 422, "callback_url"),
    "a callback with a password": (OK | {"callback_url": "http://a:b@example.com/"}, 422, "callback_url"),
    "metadata that is nested": (OK | {"metadata": {"a": {"b": "c"}}}, 422, "metadata.a"),
    "too much metadata": (OK | {"metadata": {str(n): "x" for n in range(17)}}, 422, "metadata"),
    "a deadline in the past": (OK | {"start_within_seconds": 0}, 422, "start_within_seconds"),
    "a list": ([OK], 422, "body"),
    "a guidance that is not finite": (OK | {"guidance_scale": float("inf")}, 400, "guidance_scale"),
}


def ended(delivery: Delivery) -> bool:
    """Whether this is the event of a completed job."""
    return str(delivery.event["type"]).endswith("completed.v1")


async def stored(stack: Stack) -> int:
    return len((await (await stack.get("/v1/jobs")).json())["data"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestBadInput:
    async def test_every_wrong_field_is_named_on_both_doors_and_nothing_is_stored(self, stack: Stack) -> None:
        for name, (body, status, field) in JOBS.items():
            answer = await stack.post(
                "/v1/jobs", data=json.dumps(body), headers={"content-type": "application/json"}
            )
            problem = await answer.json()
            assert (answer.status, answer.content_type) == (status, "application/problem+json"), name
            assert (problem["field"], problem["status"]) == (field, status), (name, problem)
            assert field.split(".")[0] in problem["detail"] or "cannot" in problem["detail"], (name, problem)
            answer = await stack.post("/events", data=json.dumps(body), headers=EVENT | {"ce-id": name})
            # Infinity is Python's, not JSON's: an event that carries it is no JSON at all.
            assert answer.status == (400 if "not finite" in name else 422), name
        assert await stored(stack) == 0

    @pytest.mark.parametrize(
        "body, content_type, status",
        [
            (b"\xff\xfe", "application/json", 400),
            (b'{"prompt": "\xff"}', "application/json", 400),
            (b"{", "application/json", 400),
            (b" ", "application/json", 400),
            (b"[" * 100_000, "application/json", 400),
            (b"x" * (2 << 20), "application/json", 413),
        ],
        ids=["no text", "not UTF-8 inside", "cut off", "blank", "deeply nested", "too large"],
    )
    async def test_bytes_that_are_no_request(
        self, stack: Stack, body: bytes, content_type: str, status: int
    ) -> None:
        for path, headers in (("/v1/jobs", {"content-type": content_type}), ("/events", EVENT)):
            answer = await stack.post(path, data=body, headers=headers)
            assert answer.status == status, (path, await answer.text())
            assert answer.content_type == "application/problem+json"
        assert await stored(stack) == 0

    async def test_a_large_body_without_a_length_is_refused_too(self, stack: Stack) -> None:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b"x" * 65536

        answer = await stack.post("/v1/jobs", data=endless(), headers={"content-type": "application/json"})
        assert answer.status == 413

    async def test_a_body_that_never_ends_is_not_waited_for(self, make_stack: MakeStack) -> None:
        async with make_stack(body_timeout_seconds=0.2) as stack:

            async def stalling() -> AsyncIterator[bytes]:
                yield b'{"prompt"'
                await asyncio.Event().wait()

            answer = await stack.post(
                "/v1/jobs", data=stalling(), headers={"content-type": "application/json"}
            )
            assert answer.status == 400 and "did not arrive" in (await answer.json())["detail"]

    @pytest.mark.parametrize(
        "change, status, field",
        [
            ({"ce-specversion": "0.3"}, 400, "specversion"),
            ({"ce-specversion": None}, 400, "specversion"),
            ({"ce-id": None}, 400, "id"),
            ({"ce-id": " "}, 400, "id"),
            ({"ce-source": None}, 400, "source"),
            ({"ce-type": None}, 400, "type"),
            ({"ce-type": "com.example.other"}, 422, "type"),
            ({"ce-id": "x" * 2000}, 400, "id"),
            ({"content-type": "text/plain"}, 415, "datacontenttype"),
            ({"content-type": "application/cloudevents+avro"}, 415, "content-type"),
        ],
    )
    async def test_events_that_are_none(
        self, stack: Stack, change: dict[str, str | None], status: int, field: str
    ) -> None:
        headers = {key: value for key, value in (EVENT | change).items() if value is not None}
        answer = await stack.post("/events", data=json.dumps(OK), headers=headers)
        assert (answer.status, (await answer.json()).get("field")) == (status, field)
        assert await stored(stack) == 0

    @pytest.mark.parametrize("attribute", ["id", "source"])
    async def test_half_a_character_in_an_attribute(self, stack: Stack, attribute: str) -> None:
        body = json.dumps(STRUCTURED | {attribute: "\ud800"})
        answer = await stack.post(
            "/events", data=body, headers={"content-type": "application/cloudevents+json"}
        )
        assert (answer.status, (await answer.json())["field"]) == (400, attribute)

    async def test_an_invalid_event_from_a_broker_is_announced_once(self, stack: Stack) -> None:
        for _ in range(3):
            answer = await stack.post("/events", data=json.dumps({"prompt": ""}), headers=EVENT)
            assert answer.status == 422
        event = (await stack.receiver.wait_for_type("rejected")).event
        assert (event["data"]["rejected_id"], event["data"]["field"]) == ("1", "prompt")
        await stack.submit()
        await stack.receiver.wait_for_type("completed")
        assert sum(d.event["type"].endswith("rejected.v1") for d in stack.receiver.got) == 1

    async def test_a_batch_with_a_bad_event_names_it_and_stores_the_others(self, stack: Stack) -> None:
        batch = [STRUCTURED, STRUCTURED | {"id": ""}]
        headers = {"content-type": "application/cloudevents-batch+json"}
        answer = await stack.post("/events", data=json.dumps(batch), headers=headers)
        assert (answer.status, (await answer.json())["field"]) == (400, "id")
        assert await stored(stack) == 1

    async def test_what_a_repetition_can_mend_wins_in_a_batch(self, make_stack: MakeStack) -> None:
        async with make_stack(queue_quota=1) as stack:
            stack.predictor.scripts = [Script(gate=asyncio.Event())]
            await stack.submit()
            await stack.receiver.wait_for_type("started")
            bad = STRUCTURED | {"id": "bad", "data": {}}
            batch = [bad, *(STRUCTURED | {"id": name} for name in ("fits", "over the quota"))]
            headers = {"content-type": "application/cloudevents-batch+json"}
            answer = await stack.post("/events", data=json.dumps(batch), headers=headers)
            assert answer.status == 429 and answer.headers["Retry-After"]
            assert await stored(stack) == 2
            event = (await stack.receiver.wait_for_type("rejected")).event
            assert event["data"]["rejected_id"] == "bad"

    async def test_ids_that_are_not_there_or_are_none(self, stack: Stack) -> None:
        for path, status in [("/v1/jobs/nothing", 404), ("/v1/jobs/a%20b", 422), ("/v1/nothing", 404)]:
            answer = await stack.get(path)
            assert (answer.status, answer.content_type) == (status, "application/problem+json")
        for query in ("limit=0", "limit=101", "status=done", "after=%00", "order=up"):
            assert (await stack.get(f"/v1/jobs?{query}")).status == 422, query

    async def test_a_result_that_is_not_there_yet(self, make_stack: MakeStack) -> None:
        async with make_stack(max_attempts=1, retry_seconds=60) as stack:
            await stack.predictor.__aexit__()
            job_id = await stack.submit()
            answer = await stack.get(f"/v1/jobs/{job_id}/result")
            assert answer.status == 409 and answer.headers["Retry-After"]


async def test_texts_that_a_database_cannot_hold_are_refused_by_name(stack: Stack) -> None:
    """PostgreSQL takes no NUL in a text: none may get there."""
    for query in ("model=%00", "lane=%00", "model=tiny%00", "lane=default%00", "after=a%00", "status=%00"):
        for path in ("/v1/jobs", "/v1/videos") if query.startswith("after") else ("/v1/jobs",):
            answer = await stack.get(f"{path}?{query}")
            assert answer.status in (400, 422), (path, query)
            assert query.partition("=")[0] in await answer.text()
    for folder in ("/v1/jobs", "/v1/videos", "/v1/dead-letters", "/v2/models", "/static"):
        assert (await stack.get(f"{folder}/a%00")).status in (400, 404, 422), folder
    assert (await stack.get("/v1/jobs?model=tiny&lane=d%C3%A9faut")).status == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestCallers:
    async def test_without_a_valid_key_nothing_is_told(self, make_stack: MakeStack) -> None:
        async with make_stack(auth="required") as stack:
            for headers in ({}, {"Authorization": "Bearer rz_x_y"}, {"X-API-Key": "nonsense"}):
                for path in ("/v1/jobs", "/v1/jobs/x", "/v1/models"):
                    answer = await stack.get(path, headers=headers)
                    assert answer.status == 401 and answer.headers["WWW-Authenticate"]
                assert (await stack.post("/events", json=OK, headers=EVENT | headers)).status == 401

    async def test_one_owner_never_sees_cancels_or_lists_anothers_jobs(self, make_stack: MakeStack) -> None:
        async with make_stack(auth="required") as stack:
            ann, bob = [
                {"Authorization": f"Bearer {await stack.service.container.keys.create(name)}"}
                for name in ("ann", "bob")
            ]
            made = await (await stack.post("/v1/jobs", json=OK, headers=ann)).json()
            path = f"/v1/jobs/{made['id']}"
            for suffix in ("", "/result", "/events", "/deliveries"):
                assert (await stack.get(path + suffix, headers=bob)).status == 404
            async with stack.http.delete(stack.service.url + path, headers=bob) as answer:
                assert answer.status == 404
            assert (await (await stack.get("/v1/jobs", headers=bob)).json())["data"] == []
            assert (await stack.get(path, headers=ann)).status == 200

    async def test_an_id_says_nothing_about_another_owner(self, make_stack: MakeStack) -> None:
        async with make_stack(auth="required") as stack:
            keys = stack.service.container.keys
            ann, bob = [{"X-API-Key": await keys.create(name)} for name in ("ann", "bob")]
            answers: list[dict[str, Any]] = []
            for headers, prompt in ((ann, "of ann"), (bob, "of bob")):
                url = f"{stack.service.url}/v1/jobs/shared"
                async with stack.http.put(url, json={"prompt": prompt}, headers=headers) as answer:
                    assert (answer.status, answer.headers["Location"]) == (202, "/v1/jobs/shared")
                    made = await answer.json()
                async with stack.http.get(url + "/events", headers=headers) as stream:
                    await stream.read()
                job = await (await stack.get("/v1/jobs/shared", headers=headers)).json()
                assert (made["id"], job["id"], job["result"]["job_id"]) == ("shared",) * 3
                assert (job["request"]["prompt"], job["status"]) == (prompt, "completed")
                answers.append(job)
            folders = {job["result"]["manifest_uri"].split("/attempts/")[0] for job in answers}
            assert len(folders) == 2 and not any(folder.endswith("/shared") for folder in folders)
            await stack.receiver.wait_for(
                lambda _: len({d.event["id"] for d in stack.receiver.got if ended(d)}) == len(answers)
            )
            ends = [delivery for delivery in stack.receiver.got if ended(delivery)]
            assert {end.event["subject"] for end in ends} == {"shared"}
            async with stack.http.delete(f"{stack.service.url}/v1/videos/shared", headers=bob) as answer:
                assert answer.status == 200
            assert (await stack.get("/v1/jobs/shared", headers=bob)).status == 404
            url = stack.service.url + "/v1/videos/shared/content"
            async with stack.http.get(url, headers=ann) as answer:
                assert answer.status == 200

    async def test_an_id_that_changes_hands_shows_nothing_to_who_followed_it(
        self, make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("eventing.watchers.GAP", 1.0)  # room to change hands
        async with make_stack(auth="required") as stack:
            keys = stack.service.container.keys
            ann, bob = [{"X-API-Key": await keys.create(name)} for name in ("ann", "bob")]
            stack.predictor.scripts = [Script(gate=asyncio.Event())]
            await stack.post("/v1/jobs", json=OK, headers=bob)  # the others wait behind it
            url = stack.service.url + "/v1/jobs/shared"
            assert (await stack.http.put(url, json=OK, headers=ann)).status == 202
            async with stack.http.get(url + "/events", headers=ann) as stream:
                await stream.content.readline()
                await stack.http.delete(url, headers=ann)
                await stack.http.delete(stack.service.url + "/v1/videos/shared", headers=ann)
                assert (await stack.http.put(url, json={"prompt": "of bob"}, headers=bob)).status == 202
                await stack.http.delete(url, headers=bob)  # ended: a stream would now show all of it
                shown = await stream.text()
            assert "of bob" not in shown

    async def test_a_trusted_source_needs_no_key_and_its_owner_is_configured(
        self, make_stack: MakeStack
    ) -> None:
        async with make_stack(auth="required", trusted_sources="/test=stories") as stack:
            hostile = EVENT | {"ce-owner": "ann"}
            answer = await stack.post("/events", json=OK, headers=hostile)
            assert answer.status == 202
            job = await stack.service.container.job_store.get(answer.headers["Location"].rpartition("/")[2])
            assert job.owner == "stories"

    async def test_too_many_are_told_when_to_come_back(self, make_stack: MakeStack) -> None:
        async with make_stack(rate_per_minute=2) as stack:
            answers = [await stack.post("/v1/jobs", json=OK) for _ in range(3)]
            assert [answer.status for answer in answers] == [202, 202, 429]
            assert 1 <= int(answers[2].headers["Retry-After"]) <= 60


def test_a_database_that_is_away_is_a_503_that_a_broker_retries() -> None:
    nowhere = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"
    served = (Endpoint(model="tiny", url="http://127.0.0.1:9"),)
    container = build_container(read(Settings, auth="open", database_url=nowhere, endpoints=served))
    client = TestClient(create_app(container), base_url="http://127.0.0.1")
    for path, headers in (("/v1/jobs", {}), ("/events", EVENT)):
        answer = client.post(path, json=OK, headers=headers)
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
        assert "cannot be reached" in answer.json()["detail"]
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_an_open_service_listens_on_loopback_only() -> None:
    with pytest.raises(ConfigurationError, match="REELZERO_AUTH"):
        Service(read(Settings, auth="open", host="0.0.0.0"), RemoteEndpoints((), load_catalog()))


TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates too: JSON can carry them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "specversion",
    "id",
    "source",
    "type",
    "data",
    "data_base64",
    "datacontenttype",
    "time",
    "traceparent",
]
SHAPED = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON | TEXT)).map(lambda d: STRUCTURED | d)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_event_however_strange_is_a_500(stack: Stack) -> None:
    """Hypothesis makes the events; one event loop sends them."""
    loop = asyncio.get_running_loop()

    async def send(body: bytes, content_type: str) -> tuple[int, str]:
        answer = await stack.post("/events", data=body, headers={"content-type": content_type})
        return answer.status, await answer.text()

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(
        JSON | SHAPED | st.lists(SHAPED, max_size=3),
        st.sampled_from(["application/cloudevents+json", "batch"]),
    )
    def fuzz(value: Any, kind: str) -> None:
        kind = "application/cloudevents-batch+json" if kind == "batch" else kind
        body = json.dumps(value).encode("utf-8", "surrogatepass")
        status, text = asyncio.run_coroutine_threadsafe(send(body, kind), loop).result(30)
        assert status in (202, 400, 413, 415, 422, 429), text

    await asyncio.to_thread(fuzz)


@pytest.mark.parametrize("stage", ["denoise", "decode"])
async def test_a_step_past_the_last_breaks_no_list(make_stack: MakeStack, stage: str) -> None:
    async with make_stack() as stack:
        stack.predictor.scripts = [Script(gate=asyncio.Event())]
        job_id = await stack.submit()
        progress = {"stage": stage, "step": 9, "total_steps": 4, "elapsed_seconds": 1.0}
        async with stack.service.container.database.write() as connection:  # as an earlier release stored it
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(progress=progress))
        for path in ("/v1/jobs", "/v1/videos", f"/v1/jobs/{job_id}", f"/v1/videos/{job_id}"):
            answer = await stack.get(path)
            assert answer.status == 200, await answer.text()
        shown = await (await stack.get(f"/v1/jobs/{job_id}")).json()
        assert 0 <= shown["percent"] <= 100


async def test_a_model_that_cannot_run_here_is_refused_with_the_reason(
    make_stack: MakeStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "tiny needs 1 GPU and this machine has no GPU"
    monkeypatch.setattr(RemoteEndpoints, "obstacle", lambda _self, _model: reason)
    async with make_stack() as stack:
        (model,) = (await (await stack.get("/v1/models")).json())["data"]
        assert model["unavailable"] == {"default": reason}
        assert (await stack.get("/v2/models/tiny/ready")).status == 503
        answer = await stack.post("/v1/jobs", json=OK)
        problem = await answer.json()
        assert (answer.status, problem["field"]) == (422, "model") and reason in problem["detail"]
        assert await stored(stack) == 0
