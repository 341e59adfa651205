"""CloudEvents in every mode the specification has, and what becomes of those that are none."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import Deployment, deployment

TYPE = "dev.reelzero.video.requested.v1"
DATA = {"prompt": "a red circle moving right", "seed": 7}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=UTF-8"}


def event(**changes: Any) -> dict[str, Any]:
    whole = {"specversion": "1.0", "type": TYPE, "source": "/mycontext", "id": "A234-1234-1234"}
    whole |= {"datacontenttype": "application/json", "data": DATA} | changes
    return {name: value for name, value in whole.items() if value is not None}


def binary(**changes: Any) -> dict[str, str]:
    plain = {k: v for k, v in event(**changes).items() if k not in ("data", "datacontenttype")}
    return {f"ce-{name}": str(value) for name, value in plain.items()}


async def send(service: Deployment, body: Any, headers: dict[str, str]) -> tuple[aiohttp.ClientResponse, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await service.call("POST", "/events", data=data, headers=headers)


# After the examples of the HTTP protocol binding 1.0.2 (3.1.4, 3.2.4, 3.3.4) and the JSON format 1.0.2
# (3.2), with the type and data of a request to us.
GOOD = {
    "binary": (
        DATA,
        {"Content-Type": "application/json; charset=utf-8"} | binary(time="2018-04-05T03:56:24Z"),
    ),
    "binary without a content type": (DATA, {"Content-Type": ""} | binary()),
    "binary in another charset": (
        json.dumps({"prompt": "Zürich"}, ensure_ascii=False).encode("iso-8859-1"),
        {"Content-Type": "application/json; charset=ISO-8859-1"} | binary(),
    ),
    "binary with percent-encoding and quotes": (
        DATA,
        {"Content-Type": "application/json"}
        | binary(source='"/sh%C3%B6p%20one"', subject="Euro%20%E2%82%AC"),
    ),
    "binary with any +json": (DATA, {"Content-Type": "application/vnd.video+json"} | binary()),
    "structured": (
        event(time="2018-04-05T17:31:00Z", comexampleextension1="v", comexampleothervalue=5),
        STRUCTURED,
    ),
    "structured without datacontenttype": (event(datacontenttype=None), STRUCTURED),
    "structured with data_base64": (
        event(data=None, data_base64=base64.b64encode(json.dumps(DATA).encode()).decode()),
        STRUCTURED,
    ),
    "structured with null attributes": (json.dumps(event() | {"subject": None}).encode(), STRUCTURED),
    "structured in UTF-16": (
        json.dumps(event()).encode("utf-16"),
        {"Content-Type": "application/cloudevents+json; charset=utf-16"},
    ),
}


@pytest.mark.parametrize("body, headers", GOOD.values(), ids=GOOD)
async def test_every_form_of_an_event_becomes_a_job(
    service: Deployment, body: Any, headers: dict[str, str]
) -> None:
    answer, nothing = await send(service, body, headers)
    assert (answer.status, nothing) == (202, b"")
    job = await service.ended(answer.headers["Location"].rpartition("/")[2])
    assert job["status"] == "completed"
    assert job["request"]["prompt"] in (DATA["prompt"], "Zürich")


async def test_a_batch_is_one_job_each_and_an_empty_one_is_nothing(service: Deployment) -> None:
    batch = {"Content-Type": "application/cloudevents-batch+json; charset=utf-8"}
    answer, _ = await send(service, [event(id="a"), event(id="b"), event(id="a")], batch)
    assert (answer.status, "Location" in answer.headers) == (202, False)
    _, page = await service.call("GET", "/v1/jobs")
    assert len(page["data"]) == 2
    answer, nothing = await send(service, [], batch)
    assert (answer.status, nothing) == (202, b"")


BAD = {
    "no event at all": (DATA, {"Content-Type": "application/json"}, 400, "specversion"),
    "another version": (event(specversion="0.3"), STRUCTURED, 400, "specversion"),
    "an empty id": (event(id=""), STRUCTURED, 400, "id"),
    "an id that is a number": (event(id=7), STRUCTURED, 400, "id"),
    "no source": (event(source=None), STRUCTURED, 400, "source"),
    "a control character": (event(id="a\nb"), STRUCTURED, 400, "id"),
    "half a surrogate pair": (event(id="\ud800"), STRUCTURED, 400, "id"),
    "an endless id": (event(id="x" * 300), STRUCTURED, 400, "id"),
    "an array in structured mode": ([event()], STRUCTURED, 400, None),
    "no array in batch mode": (event(), {"Content-Type": "application/cloudevents-batch+json"}, 400, None),
    "data twice": (event(data_base64="e30="), STRUCTURED, 400, "data_base64"),
    "broken base64": (event(data=None, data_base64="%%%"), STRUCTURED, 400, "data_base64"),
    "base64 that is no JSON": (event(data=None, data_base64="AAAA"), STRUCTURED, 400, None),
    "XML in the envelope": (b"<x/>", {"Content-Type": "application/cloudevents+xml"}, 415, "content-type"),
    "XML as data": (b"<x/>", {"Content-Type": "text/xml"} | binary(), 415, "datacontenttype"),
    "an unknown charset": (
        DATA,
        {"Content-Type": "application/json; charset=klingon"} | binary(),
        415,
        "content-type",
    ),
    "bytes in the wrong charset": (
        b'{"prompt":"\xff"}',
        {"Content-Type": "application/json"} | binary(),
        400,
        None,
    ),
    "a header that is no UTF-8": (DATA, {"Content-Type": "application/json"} | binary(id="%FF"), 400, "id"),
    "no data": (b"", {"Content-Type": "application/json"} | binary(id="empty"), 422, None),
    "data that is no object": (event(id="list", data=[1]), STRUCTURED, 422, None),
    "another type": (event(id="type", type="com.example.else"), STRUCTURED, 422, "type"),
    "a wrong field": (
        event(id="field", data={"prompt": "x", "num_frames": 10}),
        STRUCTURED,
        422,
        "num_frames",
    ),
    "an unknown model": (event(id="model", data={"prompt": "x", "model": "zzz"}), STRUCTURED, 422, "model"),
}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("body, headers, status, field", BAD.values(), ids=BAD)
async def test_what_is_no_event_is_refused_for_good(
    shared: Deployment, body: Any, headers: dict[str, str], status: int, field: str
) -> None:
    answer, problem = await send(shared, body, headers)
    assert (answer.status, problem.get("field")) == (status, field), problem
    assert answer.content_type == "application/problem+json"


async def test_what_cannot_become_a_job_is_announced_once(service: Deployment) -> None:
    for _ in range(3):
        answer, _ = await send(service, event(data={"prompt": ""}), STRUCTURED)
        assert answer.status == 422
    first = (await service.receiver.next("/sink")).json
    assert first["type"] == "dev.reelzero.video.rejected.v1"
    assert (first["data"]["rejected_id"], first["data"]["field"]) == ("A234-1234-1234", "prompt")
    await send(service, event(id="x" * 256, source="/" + "y" * 255, data={}), STRUCTURED)
    second = (await service.receiver.next("/sink")).json
    assert second["data"]["rejected_id"] == "x" * 256  # and nothing in between


async def test_the_same_key_with_another_body_names_the_first_job(service: Deployment) -> None:
    answer, _ = await send(service, event(), STRUCTURED)
    first = answer.headers["Location"].rpartition("/")[2]
    answer, problem = await send(service, event(data={"prompt": "something else"}), STRUCTURED)
    assert answer.status == 422 and first in problem["detail"]


async def test_the_trace_goes_from_the_request_to_the_completion(service: Deployment) -> None:
    await send(service, event(traceparent=TRACE), STRUCTURED)
    done = (await service.receiver.next("/sink", "dev.reelzero.video.completed.v1")).json
    assert done["traceparent"].split("-")[1] == TRACE.split("-")[1]
    await send(service, event(id="2"), STRUCTURED | {"traceparent": TRACE})
    done = (await service.receiver.next("/sink", "dev.reelzero.video.completed.v1")).json
    assert done["traceparent"].split("-")[1] == TRACE.split("-")[1]
    await send(service, event(id="3", traceparent="nonsense"), STRUCTURED)
    done = (await service.receiver.next("/sink", "dev.reelzero.video.completed.v1")).json
    assert done.get("traceparent") != "nonsense"


async def test_every_way_in_carries_the_callers_trace(service: Deployment) -> None:
    infer = {"inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["x"]}]}
    ways = (("/v1/jobs", {"prompt": "x"}), ("/v1/videos", {"prompt": "x"}), ("/v2/models/tiny/infer", infer))
    for path, body in ways:
        await service.call("POST", path, json=body, headers={"traceparent": TRACE})
        done = (await service.receiver.next("/sink", "dev.reelzero.video.completed.v1")).json
        assert done["traceparent"].split("-")[1] == TRACE.split("-")[1], path


async def test_we_consent_to_deliveries_when_asked(service: Deployment) -> None:
    headers = {"WebHook-Request-Origin": "broker.example.com", "WebHook-Request-Rate": "120"}
    answer, _ = await service.call("OPTIONS", "/events", headers=headers)
    assert answer.status == 200
    assert answer.headers["WebHook-Allowed-Origin"] == "broker.example.com"
    assert int(answer.headers["WebHook-Allowed-Rate"]) == 600
    answer, _ = await service.call("OPTIONS", "/events")
    assert (answer.status, "WebHook-Allowed-Origin" in answer.headers) == (200, False)


async def test_the_owner_is_configured_by_source_and_never_named_by_the_producer(
    tmp_path: Path, bucket: Bucket
) -> None:
    chosen = {"auth": "required", "trusted_sources": "/mycontext=ann,urn:x?a=b=bob"}
    async with deployment(tmp_path, bucket, **chosen) as service:
        ann = {"Authorization": f"Bearer {await service.service.container.keys.create('ann')}"}
        bob = {"Authorization": f"Bearer {await service.service.container.keys.create('bob')}"}
        answer, _ = await send(service, event(owner="eve", data=DATA), STRUCTURED)
        assert answer.status == 202
        answer, _ = await send(service, event(source="urn:x?a=b"), STRUCTURED)
        assert answer.status == 202
        answer, _ = await send(service, event(source="/other"), STRUCTURED)
        assert answer.status == 401
        for headers, source in ((ann, 1), (bob, 1)):
            _, page = await service.call("GET", "/v1/jobs", headers=headers)
            assert len(page["data"]) == source
        answer, _ = await send(service, event(data=DATA | {"owner": "eve"}), STRUCTURED)
        assert answer.status == 422


async def test_dead_letters_are_kept_once_shown_to_their_owner_and_emit_nothing(
    tmp_path: Path, bucket: Bucket
) -> None:
    async with deployment(tmp_path, bucket, auth="required", trusted_sources="/mycontext=ann") as service:
        keys = service.service.container.keys
        ann, bob = [{"Authorization": f"Bearer {await keys.create(name)}"} for name in ("ann", "bob")]
        why = {
            "knativeerrordest": "http://sink",
            "knativeerrorcode": "500\x00",
            "knativeerrordata": "b29wcw==",
        }
        letters = [event(**why), event(id="2", data=None, datacontenttype="image/png", data_base64="AAAA")]
        for letter in [*letters, letters[0]]:
            answer, nothing = await service.call(
                "POST", "/events/dead-letter", data=json.dumps(letter), headers=STRUCTURED
            )
            assert (answer.status, nothing) == (202, b"")
        _, page = await service.call("GET", "/v1/dead-letters", headers=ann)
        assert [letter["event"]["id"] for letter in page["data"]] == ["2", "A234-1234-1234"]
        first = page["data"][1]
        assert (first["destination"], first["code"], first["event"]["data"]) == ("http://sink", "500", DATA)
        assert page["data"][0]["event"]["data_base64"] == "AAAA"
        path = f"/v1/dead-letters/{first['id']}"
        assert (await service.call("GET", path, headers=ann))[1] == first
        assert (await service.call("GET", path, headers=bob))[0].status == 404
        answer, _ = await service.call(
            "POST", "/events/dead-letter", data=json.dumps(event(source="/other")), headers=STRUCTURED
        )
        assert answer.status == 401
        assert await service.service.container.outbox.messages() == []
        _, page = await service.call("GET", "/v1/jobs", headers=ann)
        assert page["data"] == []


@pytest.mark.parametrize("path", ["/events", "/events/dead-letter"])
async def test_a_key_is_looked_at_before_the_body(tmp_path: Path, bucket: Bucket, path: str) -> None:
    broken = {"Content-Type": "application/json; charset=punycode"}
    async with deployment(tmp_path, bucket, auth="required") as service:
        for headers in ({}, {"Authorization": "Bearer rz_000000000000_nothing"}):
            answer, _ = await service.call("POST", path, data=b"-", headers=broken | headers)
            assert answer.status == 401
    async with deployment(tmp_path, bucket, auth="required", trusted_sources="/mycontext=ann") as service:
        answer, _ = await service.call("POST", path, data=b"-", headers=broken)
        assert answer.status == 400  # only the body could say who sends it


BATCH = {"Content-Type": "application/cloudevents-batch+json"}


async def prompts(service: Deployment) -> list[str]:
    _, page = await service.call("GET", "/v1/jobs?order=asc")
    return [job["request"]["prompt"] for job in page["data"]]


async def test_a_bad_event_in_a_batch_keeps_no_other_from_being_stored(service: Deployment) -> None:
    bad = [event(id="bad", data={"prompt": ""}), event(id="xml", datacontenttype="text/xml", data="<x/>")]
    good = [event(id=name, data={"prompt": name}) for name in ("first", "last")]
    for _ in range(2):
        answer, problem = await send(service, [good[0], *bad, good[1]], BATCH)
        assert (answer.status, problem["field"]) == (422, "prompt")
    assert await prompts(service) == ["first", "last"]
    for name in ("bad", "xml"):
        rejected = (await service.receiver.next("/sink", "dev.reelzero.video.rejected.v1")).json
        assert rejected["data"]["rejected_id"] == name


async def test_a_batch_uses_its_tokens_together_or_not_at_all(tmp_path: Path, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, rate_per_minute=3) as service:
        answer, problem = await send(service, [event(id=str(n)) for n in range(4)], BATCH)
        assert (answer.status, problem["code"]) == (413, "body_too_large")
        assert "3 submissions" in problem["detail"]
        answer, _ = await send(service, [event(id=str(n)) for n in range(2)], BATCH)
        assert answer.status == 202
        answer, _ = await send(service, [event(id=str(n)) for n in range(2)], BATCH)
        assert (answer.status, 1 <= int(answer.headers["Retry-After"]) <= 20) == (429, True)
        answer, _ = await send(service, event(), STRUCTURED)
        assert answer.status == 202  # the third of three


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"<x/>", "text/xml", 415),
        (b"{", "application/json", 400),
        (b"{}", "application/json; charset=x", 415),
    ],
)
async def test_unreadable_data_is_announced_too(
    service: Deployment, body: Any, media: str, status: int
) -> None:
    answer, _ = await send(service, body, {"Content-Type": media} | binary())
    assert answer.status == status
    rejected = (await service.receiver.next("/sink", "dev.reelzero.video.rejected.v1")).json
    assert rejected["data"]["rejected_id"] == "A234-1234-1234"


DEEP = "[" * 300 + "]" * 300
UNREADABLE = {
    "deep": DEEP, "very deep": DEEP * 2, "not finite": "[1e400]", "no JSON": "{", "half a pair": '"\\ud800"',
    "a long number": "[" + "9" * 4000 + "]",
}  # fmt: skip


async def test_a_dead_letter_is_kept_and_shown_whatever_its_data(
    tmp_path: Path, bucket: Bucket, database_url: str
) -> None:
    async with deployment(tmp_path, bucket, database_url=database_url) as service:
        envelope = json.dumps(event(data="@", id="@id"))
        for name, data in UNREADABLE.items():
            headers = {"Content-Type": "application/json"} | binary(id=name)
            assert await dead_letter(service, data.encode(), headers) == 202, name
            if data != "{" and name != "very deep":
                whole = envelope.replace('"@"', data).replace("@id", f"structured {name}")
                assert await dead_letter(service, whole.encode(), STRUCTURED) == 202, name
        long = event(id="x" * 3000)
        assert await dead_letter(service, json.dumps(long).encode(), STRUCTURED) == 202
        answer, page = await service.call("GET", "/v1/dead-letters")
        assert answer.status == 200
        shown = {letter["event"]["id"]: letter["event"] for letter in page["data"]}
        assert base64.b64decode(shown["deep"]["data_base64"]).decode() == DEEP
        assert shown["structured a long number"]["data"] == [int("9" * 4000)]
        assert len(shown) == 2 * len(UNREADABLE) - 2 + 1 and "x" * 3000 in shown


async def dead_letter(service: Deployment, body: Any, headers: dict[str, str]) -> int:
    answer, _ = await service.call("POST", "/events/dead-letter", data=body, headers=headers)
    return answer.status
