"""The OpenAI Videos contract, as its SDKs would use it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from eventing.contract.records.models import Failure
from eventing.contract.storage.s3 import Bucket, Folder
from eventing.testing import Script
from tests.integration.api.deployment import Deployment, deployment

PROMPT = "a red circle moving right"


async def make(service: Deployment, **fields: Any) -> dict[str, Any]:
    answer, body = await service.call("POST", "/v1/videos", json={"prompt": PROMPT} | fields)
    assert answer.status == 200, body
    video: dict[str, Any] = body
    return video


async def finished(service: Deployment, **fields: Any) -> str:
    video = await make(service, **fields)
    await service.ended(video["id"])
    video_id: str = video["id"]
    return video_id


def video_bytes(job_id: str, variant: str) -> bytes:
    """What the fake predictor stores for a variant."""
    name = {"video": "video.mp4", "thumbnail": "poster.jpg", "spritesheet": "spritesheet.jpg"}[variant]
    return f"{name} of {job_id}, attempt 1".encode()


async def test_a_video_from_create_to_content(service: Deployment) -> None:
    video = await make(service, seconds="4", size="128x128", seed=7)
    assert video["object"] == "video" and video["status"] in ("queued", "in_progress")
    assert (video["seconds"], video["size"]) == ("4.125", "128x128")
    await service.ended(video["id"])
    answer, video = await service.call("GET", f"/v1/videos/{video['id']}")
    assert (video["status"], video["progress"], video["error"]) == ("completed", 100, None)
    assert video["created_at"] <= video["completed_at"] < video["expires_at"]
    assert "openai-poll-after-ms" not in answer.headers
    for variant, kind in (("video", "video/mp4"), ("thumbnail", "image/jpeg"), ("spritesheet", "image/jpeg")):
        answer, body = await service.call("GET", f"/v1/videos/{video['id']}/content?variant={variant}")
        assert (answer.status, answer.content_type, body) == (
            200,
            kind,
            video_bytes(video["id"], variant),
        )


async def test_while_it_runs_a_header_says_when_to_ask_again(service: Deployment) -> None:
    gate = asyncio.Event()
    service.predictor.scripts = [Script(gate=gate)]
    video = await make(service)
    answer, _ = await service.call("GET", f"/v1/videos/{video['id']}")
    assert 500 <= int(answer.headers["openai-poll-after-ms"]) <= 10_000
    answer, body = await service.call("GET", f"/v1/videos/{video['id']}/content")
    assert (answer.status, body["error"]["code"]) == (400, "conflict")
    gate.set()


async def test_forms_are_read_as_json_is(service: Deployment) -> None:
    import aiohttp

    for data in ({"prompt": PROMPT, "seconds": "4"}, aiohttp.FormData({"prompt": PROMPT, "seconds": "4"})):
        if isinstance(data, aiohttp.FormData):
            data._is_multipart = True
            data.add_field("metadata[shot]", "12")
        answer, video = await service.call("POST", "/v1/videos", data=data)
        assert (answer.status, video["prompt"], video["seconds"]) == (200, PROMPT, "4.125")
    _, job = await service.call("GET", f"/v1/jobs/{video['id']}")
    assert job["metadata"] == {"shot": "12"}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("fields", "param", "says"),
    [
        ({"prompt": ""}, "prompt", "at least 1 character"),
        ({"seconds": "60"}, "seconds", "1.12 to 6.12 s"),
        ({"seconds": "long"}, "seconds", "number of seconds"),
        ({"size": "1280x720"}, "size", "64x64, 128x128"),
        ({"size": "big"}, "size", "width x height"),
        ({"size": "64x64", "width": 64}, "size", "give one of them"),
        ({"model": "sora-2"}, "model", "unknown model"),
        ({"model": "mochi-1-preview"}, "model", "not served here"),
        ({"input_reference": "https://x.test/a.png"}, "input_reference", "tiny takes no image"),
        ({"loop": True}, "loop", "unknown field; known: "),
        ({"callback_url": "ftp://x.test"}, "callback_url", "http"),
    ],
)
async def test_what_cannot_be_done_is_said_in_their_form(
    shared: Deployment, fields: dict[str, Any], param: str, says: str
) -> None:
    import json

    body = json.dumps({"prompt": PROMPT} | fields)
    headers = {"Content-Type": "application/json"}
    answer, body = await shared.call("POST", "/v1/videos", data=body, headers=headers)
    assert (answer.status, set(body)) == (400, {"error"})
    error = body["error"]
    assert (error["type"], error["code"], error["param"]) == (
        "invalid_request_error",
        "invalid_request",
        param,
    )
    assert says in error["message"]


async def test_a_file_as_input_reference_is_refused_by_name(service: Deployment) -> None:
    import aiohttp

    form = aiohttp.FormData({"prompt": PROMPT})
    form.add_field("input_reference", b"\x89PNG", filename="a.png", content_type="image/png")
    answer, body = await service.call("POST", "/v1/videos", data=form)
    assert (answer.status, body["error"]["param"]) == (400, "input_reference")


@pytest.mark.parametrize("field", ["prompt", "seconds", "metadata[shot]"])
async def test_a_file_where_text_is_wanted_is_refused_by_name(service: Deployment, field: str) -> None:
    import aiohttp

    form = aiohttp.FormData({} if field == "prompt" else {"prompt": PROMPT})
    form.add_field(field, b"a red circle", filename="x.txt", content_type="text/plain")
    answer, body = await service.call("POST", "/v1/videos", data=form)
    assert (answer.status, body["error"].get("param")) == (400, field), body
    assert "file" in body["error"]["message"]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"prompt": "\\ud800"}', "application/json", 400),
        (b'{"\\ud800": 1, "prompt": "x"}', "application/json", 400),
        (b'{"prompt": "x", "seed": NaN}', "application/json", 400),
        (b"[]", "application/json", 400),
        (b"x", "text/plain", 415),
        (b"nonsense", "multipart/form-data; boundary=b", 400),
        (b"nonsense", "multipart/form-data", 400),
        (b"prompt=a&prompt=b", "application/x-www-form-urlencoded", 400),
        (b" " * ((1 << 20) + 2048), "application/json", 413),
    ],
)
async def test_bytes_that_are_no_request(shared: Deployment, body: bytes, media: str, status: int) -> None:
    answer, error = await shared.call("POST", "/v1/videos", data=body, headers={"Content-Type": media})
    assert (answer.status, set(error["error"])) == (status, {"message", "type", "code", "param"})


async def test_ranges(service: Deployment) -> None:
    path = f"/v1/videos/{await finished(service)}/content"
    whole, all_ = await service.call("GET", path)
    tag, size = whole.headers["ETag"], len(all_)
    cases = [
        ({"Range": "bytes=1-2"}, 206, all_[1:3], f"bytes 1-2/{size}"),
        ({"Range": "bytes=2-"}, 206, all_[2:], f"bytes 2-{size - 1}/{size}"),
        ({"Range": "bytes=-1"}, 206, all_[-1:], f"bytes {size - 1}-{size - 1}/{size}"),
        ({"Range": "bytes=0-9999"}, 206, all_, f"bytes 0-{size - 1}/{size}"),
        ({"Range": "bytes=0-1", "If-Range": tag}, 206, all_[:2], f"bytes 0-1/{size}"),
        ({"Range": "bytes=0-1", "If-Range": '"old"'}, 200, all_, None),
        ({"Range": "bytes=0-0,2-2"}, 200, all_, None),
        ({"Range": "lines=1-2"}, 200, all_, None),
        ({"If-None-Match": tag}, 304, b"", None),
    ]
    for headers, status, body, shown in cases:
        answer, got = await service.call("GET", path, headers=headers)
        assert (answer.status, got, answer.headers.get("Content-Range")) == (status, body, shown), headers
    answer, body = await service.call("GET", path, headers={"Range": f"bytes={size}-"})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{size}")
    assert body["error"]["code"] == "range_not_satisfiable"
    answer, body = await service.call("HEAD", path)
    assert (answer.status, answer.headers["Content-Length"], body) == (200, str(size), b"")


async def test_a_file_that_is_gone_is_a_404_and_storage_that_is_away_a_503(
    service: Deployment, tmp_path: Path, bucket: Bucket
) -> None:
    video_id = await finished(service)
    bucket.delete_folder(Folder(f"jobs/{video_id}/attempts/"))
    answer, body = await service.call("GET", f"/v1/videos/{video_id}/content")
    assert (answer.status, body["error"]["code"]) == (404, "not_found")
    (tmp_path / "away").mkdir()
    async with deployment(tmp_path / "away", bucket) as before:
        video_id = await finished(before)
    async with deployment(tmp_path / "away", bucket, s3_endpoint="http://127.0.0.1:9") as away:
        answer, body = await away.call("GET", f"/v1/videos/{video_id}/content")
        assert (answer.status, body["error"]["type"]) == (503, "server_error")
        assert answer.headers["Retry-After"] == "5"


async def test_pages_in_both_orders(service: Deployment) -> None:
    ids = [await finished(service) for _ in range(3)]
    answer, page = await service.call("GET", "/v1/videos?limit=2")
    assert [video["id"] for video in page["data"]] == ids[:0:-1]
    assert (page["has_more"], page["first_id"], page["last_id"]) == (True, ids[2], ids[1])
    _, page = await service.call("GET", f"/v1/videos?after={page['last_id']}")
    assert ([video["id"] for video in page["data"]], page["has_more"]) == (ids[:1], False)
    _, page = await service.call("GET", "/v1/videos?order=asc")
    assert [video["id"] for video in page["data"]] == ids
    answer, body = await service.call("GET", "/v1/videos?limit=0")
    assert (answer.status, body["error"]["param"]) == (400, "limit")
    answer, _ = await service.call("GET", "/v1/videos?after=nobody")
    assert answer.status == 404


async def test_deleting_removes_files_and_row_but_not_the_news(service: Deployment) -> None:
    video_id = await finished(service)
    answer, body = await service.call("DELETE", f"/v1/videos/{video_id}")
    assert (answer.status, body) == (200, {"id": video_id, "object": "video.deleted", "deleted": True})
    assert service.service.container.bucket.keys(f"jobs/{video_id}/") == []
    for path in (f"/v1/videos/{video_id}", f"/v1/videos/{video_id}/content", f"/v1/jobs/{video_id}"):
        answer, _ = await service.call("GET", path)
        assert answer.status == 404
    assert (await service.receiver.next("/sink", "dev.reelzero.video.completed.v1")).json[
        "subject"
    ] == video_id


async def test_a_remix_keeps_all_but_the_prompt(service: Deployment) -> None:
    first = await finished(service, size="128x128", seconds="2", seed=11)
    answer, remix = await service.call("POST", f"/v1/videos/{first}/remix", json={"prompt": "a blue circle"})
    assert (answer.status, remix["remixed_from_video_id"], remix["prompt"]) == (200, first, "a blue circle")
    assert (remix["size"], remix["seconds"]) == ("128x128", "2.125")
    _, job = await service.call("GET", f"/v1/jobs/{remix['id']}")
    assert job["request"]["seed"] == 11
    answer, body = await service.call("POST", f"/v1/videos/{first}/remix", json={"prompt": " "})
    assert (answer.status, body["error"]["param"]) == (400, "prompt")


async def test_a_failed_and_a_cancelled_video_are_both_failed(service: Deployment) -> None:
    service.predictor.scripts = [Script(failure=Failure(code="out_of_memory", message="too large"))]
    video_id = await finished(service)
    _, video = await service.call("GET", f"/v1/videos/{video_id}")
    assert (video["status"], video["error"]) == ("failed", {"code": "out_of_memory", "message": "too large"})
    service.predictor.scripts = [Script(gate=asyncio.Event())]
    video = await make(service)
    await service.call("DELETE", f"/v1/jobs/{video['id']}")
    await service.ended(video["id"])
    _, video = await service.call("GET", f"/v1/videos/{video['id']}")
    assert (video["status"], video["error"]["code"]) == ("failed", "cancelled")
    answer, body = await service.call("POST", f"/v1/videos/{video['id']}/remix", json={"prompt": "x"})
    assert (answer.status, body["error"]["code"]) == (400, "conflict")


async def test_one_key_makes_one_video(service: Deployment) -> None:
    headers = {"Idempotency-Key": "k1"}
    ids = set()
    for _ in range(2):
        _, video = await service.call("POST", "/v1/videos", json={"prompt": PROMPT}, headers=headers)
        ids.add(video["id"])
    assert len(ids) == 1
    answer, body = await service.call("POST", "/v1/videos", json={"prompt": "other"}, headers=headers)
    assert (answer.status, ids.pop() in body["error"]["message"]) == (400, True)


async def test_the_webhook_has_their_form_unless_told_otherwise(service: Deployment) -> None:
    video_id = await finished(service, callback_url=service.receiver.url + "/hook")
    body = (await service.receiver.next("/hook")).json
    assert (body["object"], body["type"], body["data"]) == ("event", "video.completed", {"id": video_id})
    assert body["id"].startswith("evt_")
    video_id = await finished(
        service, callback_url=service.receiver.url + "/hook", callback_format="cloudevents"
    )
    body = (await service.receiver.next("/hook")).json
    assert (body["type"], body["subject"]) == ("dev.reelzero.video.completed.v1", video_id)


async def test_an_alias_serves_clients_that_cannot_change_the_name(tmp_path: Path, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, model_aliases="sora-2=tiny") as service:
        assert (await make(service, model="sora-2"))["model"] == "tiny"


async def test_one_owner_never_sees_anothers_videos(tmp_path: Path, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, auth="required") as service:
        keys = service.service.container.keys
        ann, bob = [{"Authorization": f"Bearer {await keys.create(name)}"} for name in ("ann", "bob")]
        answer, body = await service.call("POST", "/v1/videos", json={"prompt": PROMPT})
        assert (answer.status, body["error"]["type"]) == (401, "authentication_error")
        _, video = await service.call("POST", "/v1/videos", json={"prompt": PROMPT}, headers=ann)
        await service.ended(video["id"], headers=ann)
        path = f"/v1/videos/{video['id']}"
        calls = [("GET", path), ("GET", path + "/content"), ("DELETE", path), ("POST", path + "/remix")]
        for method, url in calls:
            answer, _ = await service.call(method, url, headers=bob, json={"prompt": "x"})
            assert answer.status == 404, (method, url)
        _, page = await service.call("GET", "/v1/videos", headers=bob)
        assert page["data"] == []
