"""A body that arrives in an unusual way gets the same answer at every door of both services."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from tests.integration.api.conftest import shared as eventing  # noqa: F401 -- fixture
from tests.integration.api.deployment import Deployment
from tests.integration.predictor.conftest import shared as predictor  # noqa: F401 -- fixture
from tests.integration.predictor.conftest import storage, tiny  # noqa: F401 -- fixtures
from tests.integration.predictor.process import Predictor

TYPE = "dev.reelzero.video.requested.v1"
PROMPT = {"prompt": "a red circle", "seed": 7, "quality": "low"}
EVENT = {"specversion": "1.0", "id": "bodies", "source": "/s", "type": TYPE, "data": PROMPT}
BINARY = {f"ce-{name}": str(value) for name, value in EVENT.items() if name != "data"} | {"ce-id": "binary"}
INFER = {"inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["a red circle"]}]}
GENERATE = {"text_input": "a red circle", "parameters": {"output": "inline", "quality": "low"}}


@dataclass(frozen=True)
class Door:
    """One way in, with a body that works there. Its own headers are those of a binary event, if any."""

    service: str
    path: str
    body: Any
    own: dict[str, str]
    media: str = "application/json"

    @property
    def is_binary(self) -> bool:
        return "ce-id" in self.own

    @property
    def is_structured(self) -> bool:
        return "cloudevents" in self.media


STRUCTURED = "application/cloudevents+json"
ASYNC = {"prefer": "respond-async"}
DOORS = {
    "eventing: REST": Door("eventing", "/v1/jobs", PROMPT, {}),
    "eventing: OpenAI": Door("eventing", "/v1/videos", {"prompt": "a red circle"}, {}),
    "eventing: OpenRouter": Door("eventing", "/api/v1/videos", {"prompt": "a red circle"}, {}),
    "eventing: infer": Door("eventing", "/v2/models/tiny/infer", INFER, ASYNC),
    "eventing: binary event": Door("eventing", "/events", PROMPT, BINARY),
    "eventing: structured event": Door("eventing", "/events", EVENT, {}, STRUCTURED),
    "predictor: infer": Door("predictor", "/v2/models/tiny/infer", INFER, {}),
    "predictor: generate": Door("predictor", "/v2/models/tiny/generate", GENERATE, {}),
    "predictor: generate_stream": Door("predictor", "/v2/models/tiny/generate_stream", GENERATE, {}),
    "predictor: binary event": Door("predictor", "/", PROMPT, BINARY),
    "predictor: structured event": Door("predictor", "/", EVENT, {}, STRUCTURED),
}
ENCODED = {
    "gzip": ["gzip"], "GZIP": ["GZIP"], "x": ["x"], "two codings": ["identity, gzip"],
    "two headers": ["identity", "gzip"], "empty": [""],
}  # fmt: skip
FORM = "application/x-www-form-urlencoded"
WRONG = ["text/plain", "text/xml", "application/jsonx", "x", "application/json, x", FORM]
EVERY = pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
# A structured event of another type would be a binary one.
UNSTRUCTURED = {name: door for name, door in DOORS.items() if not door.is_structured}
# The OpenAI door takes forms.
REFUSED = [(n, m) for n in UNSTRUCTURED for m in WRONG if (n, m) != ("eventing: OpenAI", FORM)]
shared_loop = pytest.mark.asyncio(loop_scope="session")


class Services:
    """Both services; `post` sends to the one of a door."""

    def __init__(self, eventing: Deployment, predictor: Predictor) -> None:  # noqa: F811
        self._urls = {"eventing": eventing.url, "predictor": f"http://127.0.0.1:{predictor.port}"}

    async def post(self, door: Door, body: bytes, headers: list[tuple[str, str]]) -> tuple[int, Any]:
        """The status, and the field that an error names."""
        sent = CIMultiDict([*door.own.items(), *headers])
        options: Any = {"data": body, "headers": sent, "skip_auto_headers": ["content-type"]}
        async with aiohttp.ClientSession() as http:
            async with http.post(self._urls[door.service] + door.path, **options) as answer:
                raw = await answer.read()
        if answer.status < 400:
            return answer.status, None
        return answer.status, field_of(door, json.loads(raw))


def field_of(door: Door, problem: Any) -> Any:
    """The field that an error names, in the door's own format."""
    if door.path.startswith("/api/v1"):
        return problem["error"]["metadata"]["field"]
    return problem["error"]["param"] if "videos" in door.path else problem["field"]


@pytest.fixture
def services(eventing: Deployment, predictor: Predictor) -> Services:  # noqa: F811
    return Services(eventing, predictor)


@shared_loop
@pytest.mark.parametrize("values", ENCODED.values(), ids=ENCODED)
@EVERY
async def test_a_compressed_body_is_a_415_that_names_the_header(
    services: Services, door: Door, values: list[str]
) -> None:
    raw = gzip.compress(json.dumps(door.body).encode())
    headers = [("content-type", door.media), *(("content-encoding", value) for value in values)]
    assert await services.post(door, raw, headers) == (415, "content-encoding")


@shared_loop
@EVERY
async def test_identity_and_a_byte_order_mark_are_taken(services: Services, door: Door) -> None:
    raw = b"\xef\xbb\xbf" + json.dumps(door.body).encode()
    headers = [("content-type", door.media), ("content-encoding", "Identity")]
    assert (await services.post(door, raw, headers))[0] in (200, 202)


@shared_loop
@pytest.mark.parametrize("door", UNSTRUCTURED.values(), ids=UNSTRUCTURED)
async def test_a_body_without_a_content_type_is_json(services: Services, door: Door) -> None:
    assert (await services.post(door, json.dumps(door.body).encode(), []))[0] in (200, 202)


@shared_loop
@pytest.mark.parametrize(("name", "media"), REFUSED)
async def test_a_wrong_content_type_is_a_415_that_names_it(services: Services, name: str, media: str) -> None:
    door = DOORS[name]
    status = await services.post(door, json.dumps(door.body).encode(), [("content-type", media)])
    assert status == (415, "datacontenttype" if door.is_binary else "content-type")


@shared_loop
@EVERY
async def test_an_unknown_charset_is_a_415_that_names_the_header(services: Services, door: Door) -> None:
    headers = [("content-type", f"{door.media}; charset=x")]
    status = await services.post(door, json.dumps(door.body).encode(), headers)
    assert status == (415, "content-type")


@shared_loop
@EVERY
async def test_a_charset_that_is_known_is_read(services: Services, door: Door) -> None:
    headers = [("content-type", f"{door.media}; charset=utf-16")]
    status = await services.post(door, json.dumps(door.body).encode("utf-16"), headers)
    is_v2 = door.path.endswith("infer")  # tensors may follow its JSON, so that is UTF-8
    assert status == (415, "content-type") if is_v2 else status[0] in (200, 202)
