"""Sound through every door: on by default where the model makes it, off on request, refused elsewhere."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from tests.integration.api.deployment import Deployment, deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")
LOUD, SILENT = "ltx-2.3", "tiny"
PROMPT = {"prompt": "a cat purrs", "model": LOUD}
EVENT = {
    "ce-specversion": "1.0", "ce-source": "/shop", "ce-type": "dev.reelzero.video.requested.v1",
    "content-type": "application/json",
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[Deployment]:
    def endpoints(url: str) -> tuple[Endpoint, ...]:
        return tuple(Endpoint(model=name, url=url, capacity=2) for name in (LOUD, SILENT))

    folder = tmp_path_factory.mktemp("sound")
    async with deployment(folder, bucket, endpoints=endpoints) as running:
        yield running


def tensors(**values: tuple[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": datatype, "shape": [1], "data": [value]}
        for name, (datatype, value) in values.items()
    ]


async def wish(service: Deployment, job_id: str) -> Any:
    """What the predictor was sent for a job."""
    assert (await service.ended(job_id))["status"] == "completed"
    (sent,) = [sent for sent in service.predictor.requests if sent["id"] == job_id]
    return sent["parameters"]["spec"].get("generate_audio")


async def test_the_result_the_manifest_and_the_event_have_rate_and_channels(
    service: Deployment, bucket: Bucket
) -> None:
    _, job = await service.call("POST", "/v1/jobs", json=PROMPT)
    assert job["request"]["generate_audio"] is True
    assert await wish(service, job["id"]) is True
    sound = {"rate": 48_000, "channels": 2}
    _, ended = await service.call("GET", f"/v1/jobs/{job['id']}")
    assert ended["result"]["sound"] == sound
    manifest = json.loads(bucket.get(bucket.key(ended["result"]["manifest_uri"])) or b"")
    assert (manifest["result"]["sound"], manifest["request"]["generate_audio"]) == (sound, True)
    event = await service.receiver.next("/sink", "dev.reelzero.video.completed.v1")
    assert event.json["data"]["result"]["sound"] == sound


async def test_every_door_turns_it_off(service: Deployment) -> None:
    off = PROMPT | {"generate_audio": False}
    _, rest = await service.call("POST", "/v1/jobs", json=off)
    form = aiohttp.FormData(PROMPT | {"generate_audio": "false"}, default_to_multipart=True)
    _, filled = await service.call("POST", "/v1/jobs", data=form)
    _, video = await service.call("POST", "/v1/videos", json=off)
    answer, _ = await service.call("POST", "/events", json=off, headers=EVENT | {"ce-id": "quiet"})
    assert answer.status == 202, answer
    event = answer.headers["Location"].rpartition("/")[2]
    for job_id in (rest["id"], filled["id"], video["id"], event):
        assert await wish(service, job_id) is False
    _, ended = await service.call("GET", f"/v1/jobs/{rest['id']}")
    assert ended["result"]["sound"] is None


@pytest.mark.parametrize("wanted", [False, True])
async def test_v2_has_it_as_a_truth_value(service: Deployment, wanted: bool) -> None:
    prompt = tensors(prompt=("BYTES", "a cat purrs"))
    for datatype, value in (
        ("BOOL", wanted),
        ("BOOL", int(wanted)),
        ("INT32", int(wanted)),
        ("BYTES", str(wanted)),
    ):
        body = {"inputs": [*prompt, *tensors(generate_audio=(datatype, value))]}
        answer, got = await service.call("POST", f"/v2/models/{LOUD}/infer", json=body)
        assert answer.status == 200, got
        assert service.predictor.requests[-1]["parameters"]["spec"]["generate_audio"] is wanted
    flag = {"name": "generate_audio", "datatype": "BOOL", "shape": [1], "parameters": {"binary_data_size": 1}}
    head = json.dumps({"inputs": [*prompt, flag]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    raw = head + struct.pack("<?", wanted)
    answer, got = await service.call("POST", f"/v2/models/{LOUD}/infer", data=raw, headers=headers)
    assert answer.status == 200, got
    assert service.predictor.requests[-1]["parameters"]["spec"]["generate_audio"] is wanted


async def test_a_model_without_sound_refuses_it_by_name_at_every_door(service: Deployment) -> None:
    body = {"prompt": "a cat", "model": SILENT, "generate_audio": True}
    words = "tiny makes videos without sound; generate_audio must be false or absent"
    _, problem = await service.call("POST", "/v1/jobs", json=body)
    assert (problem["status"], problem["field"], problem["detail"]) == (422, "generate_audio", words)
    answer, problem = await service.call("POST", "/v1/videos", json=body)
    assert (answer.status, problem["error"]["param"]) == (400, "generate_audio"), "as OpenAI's API has it"
    inputs = tensors(prompt=("BYTES", "a cat"), generate_audio=("BOOL", True))
    answer, problem = await service.call("POST", f"/v2/models/{SILENT}/infer", json={"inputs": inputs})
    assert (answer.status, problem["field"]) == (422, "generate_audio")
    answer, problem = await service.call("POST", "/events", json=body, headers=EVENT | {"ce-id": "loud"})
    assert (answer.status, problem["field"]) == (422, "generate_audio")
    wrong: list[Any] = ["loud", 2, []]
    for value in wrong:
        _, problem = await service.call("POST", "/v1/jobs", json=PROMPT | {"generate_audio": value})
        assert (problem["status"], problem["field"]) == (422, "generate_audio")
    answer, job = await service.call("POST", "/v1/jobs", json=body | {"generate_audio": False})
    assert (answer.status, job["request"]["generate_audio"]) == (202, None), "what it makes anyway"


async def test_what_each_model_makes_is_listed(service: Deployment) -> None:
    _, models = await service.call("GET", "/v1/models")
    by_name = {model["id"]: model for model in models["data"]}
    assert by_name[LOUD]["sound"] == {"rate": 48_000, "channels": 2}
    assert by_name[LOUD]["inputs"]["generate_audio"] == "optional"
    assert by_name[SILENT]["sound"] is None
    assert "generate_audio" not in by_name[SILENT]["inputs"]
    datatypes = {}
    for name in (LOUD, SILENT):
        _, metadata = await service.call("GET", f"/v2/models/{name}")
        datatypes[name] = {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]}
    assert datatypes[LOUD]["generate_audio"] == "BOOL"
    assert "generate_audio" not in datatypes[SILENT]
