"""Adapters through every door: resolved into the spec, refused with the field's name, listed per model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml

from eventing.contract.catalog import HERE
from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from tests.integration.api.deployment import Deployment, deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROMPT = {"prompt": "a red circle", "model": "tiny"}
INK = {"name": "ink", "scale": 0.5}
EVENT = {
    "ce-specversion": "1.0", "ce-source": "/shop", "ce-type": "dev.reelzero.video.requested.v1",
    "content-type": "application/json",
}  # fmt: skip


def adapter(name: str, *models: str, **fields: Any) -> dict[str, Any]:
    place = {"folder": "/models/adapters", "file": f"{name}.safetensors"}
    return {"kind": "lora", "name": name, "title": name, "models": models, "licence": "MIT"} | place | fields


def catalog(folder: Path) -> Path:
    """The tiny model with a fast tier, an adapter for it, one for its speed, and one for another model."""
    folder.mkdir()
    model = yaml.safe_load((HERE / "tiny.yaml").read_text())
    model["quality"]["turbo"] = {"steps": 1, "guidance": 1, "flow_shift": 5, "loras": [{"name": "fast"}]}
    ink = adapter("ink", "tiny", scale={"min": -1, "max": 2, "default": 0.8})
    for entry in (model, ink, adapter("fast", "tiny"), adapter("bold", "wan2.2-ti2v-5b", "mochi-1-preview")):
        path = folder / f"{entry['name']}.yaml"
        path.write_text(
            yaml.safe_dump({name: list(v) if isinstance(v, tuple) else v for name, v in entry.items()})
        )
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[Deployment]:
    folder = tmp_path_factory.mktemp("adapters")

    def endpoints(url: str) -> tuple[Endpoint, ...]:
        return tuple(Endpoint(model=name, url=url, capacity=2) for name in ("tiny", "shapes-tiny"))

    settings = {"catalog_dir": catalog(folder / "catalog"), "endpoints": endpoints}
    async with deployment(folder, bucket, **settings) as running:
        yield running


async def request_of(service: Deployment, job_id: str) -> dict[str, Any]:
    """The spec of a job that the predictor got."""
    assert (await service.ended(job_id))["status"] == "completed"
    (sent,) = [r for r in service.predictor.requests if r["id"] == job_id]
    spec: dict[str, Any] = sent["parameters"]["spec"]
    return spec


async def test_the_adapters_of_a_request_are_in_the_spec(service: Deployment) -> None:
    answer, job = await service.call("POST", "/v1/jobs", json=PROMPT | {"loras": [INK, {"name": "fast"}]})
    assert answer.status == 202, job
    chosen = [INK, {"name": "fast", "scale": 1.0}]
    assert job["request"]["loras"] == chosen
    assert (await request_of(service, job["id"]))["loras"] == chosen
    answer, job = await service.call("POST", "/v1/jobs", json=PROMPT | {"loras": [{"name": "ink"}]})
    assert job["request"]["loras"] == [{"name": "ink", "scale": 0.8}]
    answer, job = await service.call("POST", "/v1/jobs", json=PROMPT)
    assert "loras" not in await request_of(service, job["id"])  # an older predictor would refuse it


async def test_a_tier_turns_on_its_adapter_and_has_its_steps(service: Deployment) -> None:
    _, job = await service.call("POST", "/v1/jobs", json=PROMPT | {"quality": "turbo", "loras": [INK]})
    spec = await request_of(service, job["id"])
    assert spec["loras"] == [{"name": "fast", "scale": 1.0}, INK]
    assert (spec["num_inference_steps"], spec["flow_shift"]) == (1, 5.0)
    _, video = await service.call("POST", f"/v1/videos/{job['id']}/remix", json={"prompt": "a blue circle"})
    assert await request_of(service, video["id"]) == spec | {"prompt": "a blue circle"}
    own = {"quality": "turbo", "loras": [{"name": "fast", "scale": 0.5}]}
    _, job = await service.call("POST", "/v1/jobs", json=PROMPT | own)
    assert job["request"]["loras"] == own["loras"]
    answer, problem = await service.call(
        "POST", "/v1/jobs", json=PROMPT | {"model": "shapes-tiny", "quality": "turbo"}
    )
    assert (answer.status, problem["field"]) == (422, "quality")
    assert "shapes-tiny has no quality turbo; it has low, medium, high" in problem["detail"]


@pytest.mark.parametrize(
    ("loras", "field", "words"),
    [
        ([{"name": "inc"}], "loras.0.name", "unknown adapter 'inc'; tiny takes fast, ink"),
        (
            [INK, {"name": "bold"}],
            "loras.1.name",
            "bold is for wan2.2-ti2v-5b, mochi-1-preview, not for tiny",
        ),
        ([{"name": "ink", "scale": 2.5}], "loras.0.scale", "ink takes a scale of -1 to 2, not 2.5"),
        ([{"name": "ink", "scale": "x"}], "loras.0.scale", "valid number"),
        ([INK, INK], "loras", "the adapter ink must be named once"),
        ([{"name": "ink", "strength": 1}], "loras.0.strength", "unknown field"),
        ([{"scale": 1}], "loras.0.name", "required"),
        ({"name": "ink"}, "loras", "must be a list"),
        ("ink", "loras", "must be JSON, such as"),
        ([{"name": f"ink{n}"} for n in range(9)], "loras", "at most 8"),
    ],
)
async def test_a_wrong_adapter_is_named(service: Deployment, loras: Any, field: str, words: str) -> None:
    answer, problem = await service.call("POST", "/v1/jobs", json=PROMPT | {"loras": loras})
    assert (answer.status, problem["field"]) == (422, field)
    assert words in problem["detail"]


async def test_adapters_of_a_video(service: Deployment) -> None:
    bodies: list[dict[str, Any]] = [
        {"json": PROMPT | {"loras": [INK]}},
        {"json": PROMPT | {"lora": INK}},
        {"data": aiohttp.FormData({**PROMPT, "loras": json.dumps([INK])})},
        {"data": aiohttp.FormData({**PROMPT, "lora[name]": "ink", "lora[scale]": "0.5"})},
    ]
    for body in bodies:
        answer, video = await service.call("POST", "/v1/videos", **body)
        assert answer.status == 200, video
        assert (await request_of(service, video["id"]))["loras"] == [INK]
    answer, problem = await service.call("POST", "/v1/videos", json=PROMPT | {"lora": INK | {"scale": 3}})
    assert (answer.status, problem["error"]["param"]) == (400, "lora.scale")
    answer, problem = await service.call("POST", "/v1/videos", json=PROMPT | {"lora": INK, "loras": [INK]})
    assert (answer.status, problem["error"]["param"]) == (400, "lora")


async def test_adapters_of_v2_are_a_tensor_of_json(service: Deployment) -> None:
    def body(loras: str) -> dict[str, Any]:
        texts = {"prompt": "a red circle", "loras": loras}
        return {
            "inputs": [
                {"name": name, "datatype": "BYTES", "shape": [1], "data": [text]}
                for name, text in texts.items()
            ]
        }

    answer, result = await service.call("POST", "/v2/models/tiny/infer", json=body(json.dumps([INK])))
    assert answer.status == 200, result
    assert (await request_of(service, result["parameters"]["job_id"]))["loras"] == [INK]
    answer, problem = await service.call("POST", "/v2/models/tiny/infer", json=body("ink"))
    assert (answer.status, problem["field"]) == (422, "loras")
    names = {}
    for model in ("tiny", "shapes-tiny"):
        _, metadata = await service.call("GET", f"/v2/models/{model}")
        names[model] = {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]}
    assert names["tiny"]["loras"] == "BYTES" and "loras" not in names["shapes-tiny"]


async def test_adapters_of_an_event(service: Deployment) -> None:
    event = EVENT | {"ce-id": "adapted"}
    answer, _ = await service.call("POST", "/events", json=PROMPT | {"loras": [INK]}, headers=event)
    assert answer.status == 202
    spec = await request_of(service, answer.headers["Location"].rpartition("/")[2])
    assert spec["loras"] == [INK]
    event = EVENT | {"ce-id": "unknown"}
    answer, problem = await service.call(
        "POST", "/events", json=PROMPT | {"loras": [{"name": "none"}]}, headers=event
    )
    assert (answer.status, problem["field"]) == (422, "loras.0.name")


async def test_each_model_lists_its_adapters_and_not_where_they_are(service: Deployment) -> None:
    _, models = await service.call("GET", "/v1/models")
    listed = {model["id"]: model for model in models["data"]}
    assert listed["tiny"]["loras"][1] == {
        "name": "ink", "title": "ink", "scale": {"min": -1.0, "max": 2.0, "default": 0.8},
        "licence": "MIT", "licence_notes": "",
    }  # fmt: skip
    assert [lora["name"] for lora in listed["tiny"]["loras"]] == ["fast", "ink"]
    assert listed["tiny"]["quality"]["turbo"]["loras"] == [{"name": "fast", "scale": None}]
    assert listed["shapes-tiny"]["loras"] == [] and "turbo" not in listed["shapes-tiny"]["quality"]
