"""The OpenAPI document is valid, complete, and its examples work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import aiohttp
from openapi_spec_validator import validate

from tests.integration.api.deployment import Deployment

FORMS = {"/v1/videos": "OpenAIError", "/api/v1": "OpenRouterError", "/v2": "V2Error"}


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in ("get", "put", "post", "delete", "head", "options"):
            if method in item:
                yield path, method, item[method]


def examples(operation: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(media type, example) of a body, however it is written."""
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        if "example" in content:
            yield media, content["example"]
        for example in content.get("examples", {}).values():
            yield media, example["value"]


async def test_it_is_valid_and_served(service: Deployment) -> None:
    answer, document = await service.call("GET", "/openapi.json")
    assert answer.status == 200
    validate(document)
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


async def test_every_operation_says_what_it_does_and_how_it_fails(service: Deployment) -> None:
    _, document = await service.call("GET", "/openapi.json")
    for path, method, operation in operations(document):
        assert operation.get("description"), (method, path)
        form = next((name for prefix, name in FORMS.items() if path.startswith(prefix)), "Problem")
        assert form in json.dumps(operation["responses"]["default"]), (method, path)
        assert "422" not in operation["responses"], (method, path)


async def test_every_body_has_an_example_that_works(service: Deployment) -> None:
    _, document = await service.call("GET", "/openapi.json")
    _, done = await service.call("POST", "/v1/jobs", json={"prompt": "for a remix"})
    finished = await service.ended(done["id"])
    for example in stories(document):  # for those that revise one
        await service.call("PUT", f"/v1/stories/{form_of(example)}", json=example)
    tried = 0
    for path, method, operation in operations(document):
        if "requestBody" not in operation or path == "/events/dead-letter":
            continue
        found = list(examples(operation))
        assert found, (method, path)
        for number, (media, example) in enumerate(found):
            await try_example(service, method, path, media, example, finished["id"], f"{tried}-{number}")
        tried += 1
    assert tried >= 5


def stories(document: dict[str, Any]) -> list[Any]:
    """The examples of whole stories."""
    return [example for _, example in examples(document["paths"]["/v1/stories"]["post"])]


def form_of(example: Any) -> str:
    """The form of a story's example, or of what changes in one; the id of that story."""
    return "scenes" if "scenes" in example else "steps"


async def try_example(
    service: Deployment, method: str, path: str, media: str, example: Any, finished: str, fresh: str
) -> None:
    url = path.replace("{video_id}", finished).replace("{job_id}", f"job-{fresh}").replace("{model}", "tiny")
    url = url.replace("{story_id}", form_of(example) if path.endswith("revise") else f"story-{fresh}")
    headers: dict[str, str] = {}
    arguments: dict[str, Any] = {"data": json.dumps(example)}
    if media == "multipart/form-data":
        arguments = {"data": form(example)}
    else:
        headers["Content-Type"] = media
    if path == "/events" and media == "application/json":
        headers |= {"ce-specversion": "1.0", "ce-id": fresh, "ce-source": "/shop"}
        headers["ce-type"] = "dev.reelzero.video.requested.v1"
    answer, body = await service.call(method.upper(), url, headers=headers, **arguments)
    assert answer.status in (200, 202), (method, path, media, body)


def form(fields: dict[str, Any]) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        data.add_field(name, str(value))
    return data


async def test_generators_of_clients_can_read_it(service: Deployment) -> None:
    """openapi-python-client leaves out operations with lists in headers, and answers of other media types."""
    _, document = await service.call("GET", "/openapi.json")
    for path, method, operation in operations(document):
        for parameter in operation.get("parameters", []):
            is_list = '"array"' in json.dumps(parameter["schema"])
            assert parameter["in"] == "query" or not is_list, (method, path, parameter["name"])
        media = {kind for answer in operation["responses"].values() for kind in answer.get("content", {})}
        assert media <= {"application/json", "application/problem+json", "text/event-stream"}, (path, media)
