"""Pictures through every door: stored before the answer, read by the predictor, gone with the job."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from eventing.api.videos import openai
from eventing.contract.storage.s3 import Bucket
from eventing.domain.job import Job
from eventing.drafts import Origin
from eventing.jobs import parse_request
from eventing.settings import Endpoint
from eventing.store.jobs import JobStore
from eventing.store.submissions import Submission
from eventing.testing import Script
from tests.integration.api.deployment import Deployment, deployment
from tests.support.pictures import (
    BLUE,
    MODEL,
    RED,
    Answer,
    catalog,
    inline,
    opened,
    picture,
    pixel,
    web_server,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROMPT = {"prompt": "it moves right", "model": MODEL}
EVENT = {
    "ce-specversion": "1.0", "ce-source": "/shop", "ce-type": "dev.reelzero.video.requested.v1",
    "content-type": "application/json",
}  # fmt: skip


class World:
    """A service whose model takes pictures, and a web server that has some. `answers` says what by path."""

    def __init__(self, service: Deployment, bucket: Bucket, answers: dict[str, Answer], port: int) -> None:
        self.service, self.bucket, self.answers = service, bucket, answers
        self.web = f"http://127.0.0.1:{port}"

    async def submit(self, **fields: Any) -> dict[str, Any]:
        answer, job = await self.service.call("POST", "/v1/jobs", json=PROMPT | fields)
        assert answer.status == 202, job
        view: dict[str, Any] = job
        return view

    async def refused(self, **fields: Any) -> tuple[int, str, str]:
        answer, problem = await self.service.call("POST", "/v1/jobs", json=PROMPT | fields)
        return answer.status, problem.get("field"), problem["detail"]

    def stored(self, job: dict[str, Any], field: str = "image") -> bytes:
        """The picture in S3, whose checksum and size are those of the record."""
        record = job["request"][field]
        file = self.bucket.get(self.bucket.key(record["uri"]))
        assert file is not None
        assert (hashlib.sha256(file).hexdigest(), len(file)) == (record["sha256"], record["bytes"])
        return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[World]:
    folder, answers = tmp_path_factory.mktemp("pictures"), dict[str, Answer]()
    async with web_server(answers) as port:
        settings = {
            "catalog_dir": catalog(folder / "catalog"),
            "picture_allow": (f"127.0.0.1:{port}",),
            "max_picture_bytes": 200_000,
            "max_body_bytes": 100_000,
        }
        async with deployment(folder, bucket, **settings, endpoints=_endpoints) as service:
            yield World(service, bucket, answers, port)


def _endpoints(url: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(model=name, url=url, capacity=2) for name in (MODEL, "tiny"))


async def test_a_picture_in_the_request_is_stored_before_the_answer(world: World) -> None:
    file = picture((200, 100), BLUE, "JPEG", quality=95)
    job = await world.submit(image=inline(file), last_image=inline(picture()), strength=0.5)
    record = job["request"]["image"]
    assert record["uri"].startswith(f"s3://{world.bucket.name}/jobs/{job['id']}/inputs/")
    assert (record["fit"], record["source_width"], record["source_height"]) == ("crop", 200, 100)
    assert record["source_sha256"] == hashlib.sha256(file).hexdigest()
    assert job["request"]["strength"] == 0.5
    stored = opened(world.stored(job))
    assert (stored.format, stored.size, stored.mode) == ("PNG", (64, 64), "RGB")
    assert pixel(stored, 5, 32)[2] > 200 and sum(pixel(stored, 60, 32)) < 30
    assert pixel(opened(world.stored(job, "last_image")), 5, 32) == RED
    assert (await world.service.ended(job["id"]))["status"] == "completed"
    (sent,) = [r for r in world.service.predictor.requests if r["id"] == job["id"]]
    assert sent["parameters"]["spec"]["image"] == record
    _, manifest = await world.service.call("GET", f"/v1/jobs/{job['id']}/result?variant=manifest")
    _, ended = await world.service.call("GET", f"/v1/jobs/{job['id']}")
    manifest = json.loads(world.bucket.get(world.bucket.key(ended["result"]["manifest_uri"])) or b"")
    assert manifest["request"]["image"]["sha256"] == record["sha256"]
    answer, _ = await world.service.call("DELETE", f"/v1/videos/{job['id']}")
    assert answer.status == 200
    assert world.bucket.keys(f"jobs/{job['id']}/inputs/") == []


async def test_a_picture_in_a_form(world: World) -> None:
    form = aiohttp.FormData({**PROMPT, "seed": "7", "metadata[shot]": "1", "image_fit": "pad"})
    form.add_field("image", picture((100, 50)), filename="start.png", content_type="image/png")
    answer, job = await world.service.call("POST", "/v1/jobs", data=form)
    assert answer.status == 202, job
    assert (job["request"]["seed"], job["metadata"]) == (7, {"shot": "1"})
    stored = opened(world.stored(job))
    assert pixel(stored, 5, 2) == (0, 0, 0) and pixel(stored, 5, 32) == RED
    form = aiohttp.FormData(PROMPT)
    form.add_field("picture", picture(), filename="start.png")
    answer, problem = await world.service.call("PUT", "/v1/jobs/formed", data=form)
    assert (answer.status, problem["field"]) == (422, "picture")
    assert "files are taken in image, last_image" in problem["detail"]


async def test_a_picture_at_an_address(world: World) -> None:
    world.answers["/a.png"] = lambda _: web.Response(body=picture())
    world.answers["/moved"] = lambda _: web.Response(status=302, headers={"Location": "/a.png"})
    for path in ("/a.png", "/moved"):
        job = await world.submit(image=world.web + path)
        assert pixel(opened(world.stored(job)), 5, 32) == RED


async def test_what_an_address_answers_decides(world: World) -> None:
    world.answers |= {
        "/gone": lambda _: web.Response(status=410),
        "/away": lambda _: web.Response(status=503),
        "/round": lambda _: web.Response(status=302, headers={"Location": "/round"}),
        "/inside": lambda _: web.Response(status=302, headers={"Location": "https://10.0.0.1/x.png"}),
        "/large": lambda _: web.Response(body=b"x" * 200_001),
        "/page": lambda _: web.Response(text="<html>"),
    }
    for path, status, words in (
        ("/gone", 422, "answered 410"),
        ("/away", 503, "answered 503"),
        ("/round", 422, "redirects more than 3 times"),
        ("/inside", 422, "pictures may not reach 10.0.0.1: it is not a public address"),
        ("/large", 422, "the file may have 200000 bytes at most"),
        ("/page", 422, "cannot be read as a picture; send PNG, JPEG or WEBP"),
    ):
        problem = await world.refused(image=world.web + path)
        assert problem[:2] == (status, "image") and words in problem[2], problem


async def test_addresses_that_are_not_fetched(world: World) -> None:
    own, files = world.bucket.name, "s3://someone-elses/a.png"
    world.bucket.put("jobs/somebody/inputs/a/image.png", picture(), "image/png")
    for address, words in (
        ("ftp://example.com/a.png", "must be an https://, s3:// or data: address"),
        ("http://example.com/a.png", "only https:// addresses are fetched"),
        ("https://127.0.0.1:1/a.png", "pictures may not reach 127.0.0.1"),
        ("https://[::ffff:169.254.169.254]/a.png", "it is not a public address"),
        ("https://user:key@example.com/a.png", "without user name or password"),
        (f"s3://{own}/missing.png", "is empty or missing"),
        (f"s3://{own}/jobs/somebody/inputs/a/image.png", "no such file of a job of yours"),
        (f"s3://{own}//jobs/somebody/inputs/a/image.png", "must not have empty parts"),
        (f"s3://{own}/x/../jobs/somebody/inputs/a/image.png", "must not have empty parts"),
        (files, "the bucket someone-elses is not read here"),
        ("s3://nothing", "an s3 address is s3://bucket/key"),
        ("data:image/png,plain", "must be data:image/…;base64,…"),
        ("data:image/png;base64,###", "is not base64"),
        (inline(b"x" * 200_001), "the file may have 200000 bytes at most"),
    ):
        status, field, detail = await world.refused(image=address)
        assert (status, field) == (422, "image") and words in detail, (address[:60], detail)


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"last_image": inline(picture())}, "last_image", "needs an image, the first frame"),
        ({"image": inline(picture()), "model": "tiny"}, "image", "tiny takes no image; it takes a prompt"),
        ({"image_fit": "pad"}, "image_fit", "send an image with it"),
        ({"strength": 0.5}, "strength", "send an image with it"),
        ({"image": inline(picture()), "strength": 2}, "strength", "less than or equal to 1"),
        ({"image": inline(picture()), "image_fit": "tile"}, "image_fit", "'crop', 'pad' or 'stretch'"),
        ({"image": inline(b"nothing")}, "image", "cannot be read as a picture"),
        ({"image": inline(picture()[:110])}, "image", "is damaged"),
        ({"image": inline(picture((8, 64)))}, "image", "each side must have at least 16"),
        ({"image": inline(picture((6000, 5000)))}, "image", "which is more than 25 million"),
        ({"image": inline(picture(form="GIF"), "image/gif")}, "image", "send PNG, JPEG or WEBP"),
        ({"image": ""}, "image", "must be an https://"),
        ({"image": 7}, "image", "valid string"),
    ],
)
async def test_wrong_pictures_are_named(world: World, fields: Any, field: str, words: str) -> None:
    before = set(world.bucket.keys("jobs/"))
    status, named, detail = await world.refused(**fields)
    assert (status, named) == (422, field) and words in detail, detail
    # Jobs of earlier tests may still end or lose their pictures.
    assert not [key for key in set(world.bucket.keys("jobs/")) - before if "/inputs/" in key]


def v2_body(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a request as tensors."""
    kinds = {str: "BYTES", int: "INT32"}
    return {
        "inputs": [
            {"name": name, "datatype": kinds[type(value)], "shape": [1], "data": [value]}
            for name, value in fields.items()
            if name != "model"
        ]
    }


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"num_frames": 12}, "num_frames", "(nearest: 9 and 17)"),
        ({"last_image": inline(picture())}, "last_image", "a last_image needs an image, the first frame"),
        ({"image": inline(b"nothing")}, "image", "cannot be read as a picture; send PNG, JPEG or WEBP"),
        ({"image": inline(picture((6000, 5000)))}, "image", "is more than 25 million; send a smaller one"),
        ({"image": "https://10.0.0.1/a.png"}, "image", "pictures may not reach 10.0.0.1: it is not a public"),
    ],
)
async def test_every_door_names_the_field_and_what_would_be_right(
    world: World, fields: Any, field: str, words: str
) -> None:
    body, call = PROMPT | fields, world.service.call
    event = EVENT | {"ce-id": f"wrong-{field}-{words}"}
    problems = [
        await call("POST", "/v1/jobs", json=body),
        await call("POST", f"/v2/models/{MODEL}/infer", json=v2_body(body)),
        await call("POST", "/events", json=body, headers=event),
    ]
    for answer, problem in problems:
        assert (answer.status, problem["field"]) == (422, field), problem
        assert words in problem.get("detail", problem.get("error")), problem
    answer, problem = await call(
        "POST", "/v1/videos", json=body
    )  # OpenAI's contract has 400 for all of these
    assert (answer.status, problem["error"]["param"]) == (400, field), problem
    assert words in problem["error"]["message"]


async def test_a_result_is_reused_for_the_same_picture_and_not_for_another(world: World) -> None:
    first = await world.submit(image=inline(picture()), seed=7)
    await world.service.ended(first["id"])
    same = await world.submit(image=inline(picture()), seed=7, reuse=True)
    assert (same["status"], same["result"]["reused_from"]) == ("completed", first["id"])
    assert world.stored(same) == world.stored(first), "a picture of its own"
    assert same["request"]["image"]["uri"] != first["request"]["image"]["uri"]
    other = await world.submit(image=inline(picture(colour=BLUE)), seed=7, reuse=True, n=2)
    for job in other["jobs"]:
        ended = await world.service.ended(job["id"])
        assert ended["result"]["reused_from"] is None
        assert pixel(opened(world.stored(ended)), 5, 32)[2] > 200, "each job has the picture"


async def test_a_picture_of_an_own_job_may_start_another(world: World) -> None:
    first = await world.submit(image=inline(picture()))
    second = await world.submit(image=first["request"]["image"]["uri"])
    assert second["request"]["image"]["sha256"] == first["request"]["image"]["sha256"]
    assert second["request"]["image"]["uri"] != first["request"]["image"]["uri"]
    world.bucket.put("uploads/a.png", picture(colour=BLUE), "image/png")
    third = await world.submit(image=f"s3://{world.bucket.name}/uploads/a.png")
    assert pixel(opened(world.stored(third)), 5, 32) == BLUE


async def test_one_key_is_one_picture(world: World) -> None:
    key = {"Idempotency-Key": "picture-1"}
    world.answers["/once.png"] = lambda _: web.Response(body=picture())
    body = PROMPT | {"image": world.web + "/once.png"}
    _, first = await world.service.call("POST", "/v1/jobs", json=body, headers=key)
    world.answers["/once.png"] = lambda _: web.Response(status=404)
    answer, again = await world.service.call("POST", "/v1/jobs", json=body, headers=key)
    assert (answer.status, again["id"]) == (202, first["id"]), "a repeated call does not fetch again"
    other = PROMPT | {"image": inline(picture(colour=BLUE))}
    answer, problem = await world.service.call("POST", "/v1/jobs", json=other, headers=key)
    assert (answer.status, problem["field"]) == (422, "idempotency_key")
    assert len(world.bucket.keys(f"jobs/{first['id']}/inputs/")) == 1
    for colour, status in ((RED, 202), (RED, 200), (BLUE, 409)):
        body = PROMPT | {"image": inline(picture(colour=colour))}
        answer, _ = await world.service.call("PUT", "/v1/jobs/my-picture", json=body)
        assert answer.status == status


async def test_openai_clients_send_a_reference(world: World) -> None:
    form = aiohttp.FormData(PROMPT)
    form.add_field("input_reference", picture(), filename="start.png", content_type="image/png")
    _, sent = await world.service.call("POST", "/v1/videos", data=form)
    address = inline(picture(colour=BLUE))
    frames = [
        {"type": "image_url", "image_url": {"url": address}, "frame_type": "first_frame"},
        {"type": "image_url", "image_url": {"url": inline(picture())}, "frame_type": "last_frame"},
    ]
    bodies: list[dict[str, Any]] = [
        {"input_reference": address},
        {"input_reference": {"image_url": address}},
        {"frame_images": frames},
    ]
    colours = [RED]
    jobs = [sent]
    for body in bodies:
        answer, video = await world.service.call("POST", "/v1/videos", json=PROMPT | body)
        assert answer.status == 200, video
        jobs.append(video)
        colours.append(BLUE)
    for video, colour in zip(jobs, colours, strict=True):
        _, job = await world.service.call("GET", f"/v1/jobs/{video['id']}")
        assert pixel(opened(world.stored(job)), 5, 32) == colour
    assert pixel(opened(world.stored(job, "last_image")), 5, 32) == RED
    await world.service.ended(job["id"])
    answer, remix = await world.service.call(
        "POST", f"/v1/videos/{job['id']}/remix", json={"prompt": "it moves left"}
    )
    assert answer.status == 200, remix
    _, again = await world.service.call("GET", f"/v1/jobs/{remix['id']}")
    assert again["request"]["image"]["sha256"] == job["request"]["image"]["sha256"]


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"input_reference": inline(b"x")}, "input_reference"),
        ({"input_reference": inline(picture()), "image": inline(picture())}, "input_reference"),
        ({"frame_images": [{"image_url": inline(b"x")}]}, "frame_images"),
        ({"frame_images": [{"image_url": "x"}]}, "frame_images.0.image_url"),
        ({"input_reference": {"file_id": "file-1"}}, "input_reference"),
    ],
)
async def test_openai_clients_hear_of_their_own_parameter(world: World, body: Any, parameter: str) -> None:
    answer, problem = await world.service.call("POST", "/v1/videos", json=PROMPT | body)
    assert (answer.status, problem["error"]["param"]) == (400, parameter), problem


async def test_v2_clients_send_a_tensor(world: World) -> None:
    file, prompt = picture(colour=BLUE), b"it moves right"

    def tensor(name: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "datatype": "BYTES", "shape": [1], **more}

    plain = {
        "inputs": [
            tensor("prompt", data=["it moves right"]),
            tensor("image", data=[base64.b64encode(file).decode()]),
        ]
    }
    sizes = [{"binary_data_size": len(value) + 4} for value in (prompt, file)]
    head = json.dumps(
        {"inputs": [tensor(n, parameters=s) for n, s in zip(("prompt", "image"), sizes, strict=True)]}
    ).encode()
    tail = b"".join(struct.pack("<I", len(value)) + value for value in (prompt, file))
    binary = {"Inference-Header-Content-Length": str(len(head)), "Prefer": "respond-async"}
    path = f"/v2/models/{MODEL}/infer"
    answers = [
        await world.service.call("POST", path, json=plain, headers={"Prefer": "respond-async"}),
        await world.service.call("POST", path, data=head + tail, headers=binary),
    ]
    for answer, body in answers:
        assert answer.status == 202, body
        _, job = await world.service.call("GET", f"/v1/jobs/{body['parameters']['job_id']}")
        assert pixel(opened(world.stored(job)), 5, 32) == BLUE
    wrong = {"inputs": [tensor("prompt", data=["x"]), tensor("image", data=["###"])]}
    answer, problem = await world.service.call("POST", path, json=wrong)
    assert (answer.status, problem["field"]) == (422, "image")


async def test_an_event_names_its_picture_or_where_its_data_is(world: World) -> None:
    data = PROMPT | {"image": inline(picture(colour=BLUE))}
    world.answers["/data.json"] = lambda _: web.json_response(data)
    headers = EVENT | {"ce-id": "claim-1", "ce-dataref": world.web + "/data.json"}
    answer, problem = await world.service.call("POST", "/events", headers=headers)
    assert answer.status == 202, problem
    _, job = await world.service.call("GET", answer.headers["Location"])
    assert pixel(opened(world.stored(job)), 5, 32) == BLUE


async def test_an_event_whose_picture_is_away_is_sent_again_and_not_lost(world: World) -> None:
    body = PROMPT | {"image": world.web + "/later.png"}
    headers = EVENT | {"ce-id": "later-1"}
    world.answers["/later.png"] = lambda _: web.Response(status=503)
    answer, _ = await world.service.call("POST", "/events", json=body, headers=headers)
    assert answer.status == 503 and int(answer.headers["Retry-After"]) > 0
    world.answers["/later.png"] = lambda _: web.Response(body=picture())
    answer, _ = await world.service.call("POST", "/events", json=body, headers=headers)
    assert answer.status == 202
    _, job = await world.service.call("GET", answer.headers["Location"])
    assert pixel(opened(world.stored(job)), 5, 32) == RED
    world.answers["/never.png"] = lambda _: web.Response(status=404)
    body = PROMPT | {"image": world.web + "/never.png"}
    answer, problem = await world.service.call("POST", "/events", json=body, headers=EVENT | {"ce-id": "n"})
    assert (answer.status, problem["field"]) == (422, "image")
    rejected = {"rejected_id": ""}
    while rejected["rejected_id"] != "n":  # those of other tests may come before
        rejected = (await world.service.receiver.next("/sink", "dev.reelzero.video.rejected.v1")).json["data"]
    assert rejected["field"] == "image"


async def test_a_few_large_bodies_are_read_at_once(world: World) -> None:
    """A large body that is still arriving keeps its place; one more is answered 503, a small one is taken."""
    arriving, go_on = asyncio.Queue[None](), asyncio.Event()
    body = json.dumps(PROMPT | {"image": inline(b"x" * 120_000)}).encode()

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:110_000]
        arriving.put_nowait(None)
        await go_on.wait()
        yield body[110_000:]

    headers = {"Content-Type": "application/json"}
    calls = [
        asyncio.create_task(world.service.call("POST", "/v1/jobs", data=slowly(), headers=headers))
        for _ in range(4)
    ]
    for _ in calls:
        await arriving.get()
    job = await world.submit(image=inline(picture()))
    go_on.set()
    statuses = sorted([answer.status for answer, _ in await asyncio.gather(*calls)])
    assert job["status"] == "queued" and statuses == [422, 422, 422, 503]
    answer, problem = await world.service.call("POST", "/v1/jobs", data=b"x" * 400_000, headers=headers)
    assert answer.status == 413 and "may have 366666 bytes at most" in problem["detail"]
    answer, problem = await world.service.call("POST", "/v1/videos/x/remix", data=b"x" * 100_001)
    assert answer.status == 413


async def test_what_each_model_takes(world: World) -> None:
    _, models = await world.service.call("GET", "/v1/models")
    inputs = {model["id"]: model["inputs"] for model in models["data"]}
    optional = {"image": "optional", "last_image": "optional", "strength": "optional"}
    assert optional.items() <= inputs[MODEL].items()
    assert not {"image", "last_image"} & set(inputs["tiny"])
    _, metadata = await world.service.call("GET", f"/v2/models/{MODEL}")
    assert "image" in {tensor["name"] for tensor in metadata["inputs"]}


async def test_a_refused_submission_leaves_no_picture(world: World) -> None:
    gate = asyncio.Event()
    world.service.predictor.scripts = [Script(gate=gate)]
    before = set(world.bucket.keys("jobs/"))
    callback = {"callback_url": "https://example.com/", "lane": "nowhere"}
    status, field, _ = await world.refused(image=inline(picture()), **callback)
    assert (status, field) == (422, "lane")
    gate.set()
    assert set(world.bucket.keys("jobs/")) == before


async def test_a_caller_that_leaves_after_the_commit_does_not_take_the_picture_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit, jobs, stored = JobStore.submit, world.service.service.container.jobs, list[Job]()

    async def left(store: JobStore, submission: Submission) -> tuple[Job, bool]:
        job, new = await submit(store, submission)
        stored.append(job)
        call.cancel()
        await asyncio.sleep(0)
        return job, new

    monkeypatch.setattr(JobStore, "submit", left)
    request = parse_request(PROMPT | {"image": inline(picture())})
    call = asyncio.create_task(jobs.submit(request, Origin("default", "rest")))
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(world.bucket.keys(f"jobs/{stored[0].id}/inputs/")) == 1


async def test_a_picture_that_was_not_sent_has_its_own_name() -> None:
    assert openai.DIALECT.sent_as(openai.parse(PROMPT), "image") == "image"
