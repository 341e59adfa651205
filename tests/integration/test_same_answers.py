"""The same bytes get the same answer from a predictor and from eventing."""

from __future__ import annotations

import json
import struct
from typing import Any

import aiohttp
import pytest

from eventing.contract import catalog
from tests.integration.api.conftest import shared as eventing  # noqa: F401 -- fixture
from tests.integration.api.deployment import Deployment
from tests.integration.predictor.conftest import shared as predictor  # noqa: F401 -- fixture
from tests.integration.predictor.conftest import storage, tiny  # noqa: F401 -- fixtures
from tests.integration.predictor.process import Predictor

LENGTH = "inference-header-content-length"
JSON = {"content-type": "application/json"}
RAW = struct.pack("<I", 1) + b"x"
Case = tuple[bytes, dict[str, str], int, str | None]


def tensor(name: str, datatype: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [1], "data": [value]} | more


PROMPT = tensor("prompt", "BYTES", "x")
SHORT = [PROMPT, tensor("seed", "INT64", 7), tensor("quality", "BYTES", "low")]


def body(inputs: Any, **more: Any) -> bytes:
    return json.dumps({"inputs": inputs} | more).encode()


def binary(size: Any, tail: bytes = RAW, **change: Any) -> tuple[bytes, dict[str, str]]:
    """A prompt in binary form, sent as application/json."""
    prompt: dict[str, Any] = {"name": "prompt", "datatype": "BYTES", "shape": [1]}
    prompt |= {"parameters": {"binary_data_size": size}}
    head = body([*SHORT[1:], prompt | change])
    return head + tail, JSON | {LENGTH: str(len(head))}


def of(value: bytes, status: int, field: str | None, **headers: str) -> Case:
    return value, JSON | headers, status, field


WHOLE = body(SHORT)
CASES: dict[str, Case] = {
    "a request": of(WHOLE, 200, None),
    "a form": (WHOLE, {"content-type": "application/x-www-form-urlencoded"}, 415, "content-type"),
    "numbers as text": of(body([PROMPT, tensor("seed", "BYTES", "7")]), 200, None),
    "parameters only": of(body([], parameters={"prompt": "x", "seed": 7, "quality": "low"}), 200, None),
    "some outputs": of(body(SHORT, outputs=[{"name": "seed"}]), 200, None),
    "binary outputs at request level": of(
        body(SHORT, outputs=[{"name": "seed"}], parameters={"binary_data_output": True}), 200, None),
    "binary under application/json": (*binary(5), 200, None),
    "bytes after the last tensor": (*binary(5, RAW + b"yy"), 400, LENGTH),
    "a size that lies": (*binary(6), 400, "prompt"),
    "a negative size": (*binary(-1), 400, "prompt"),
    "a size that is no number": (*binary(None), 400, "prompt"),
    "a size that is true": (*binary(True), 400, "prompt"),
    "both kinds of data": (*binary(5, data=["x"]), 400, "prompt"),
    "two elements in the bytes": (*binary(10, RAW + RAW), 400, "prompt"),
    "bytes that are no text": (*binary(5, struct.pack("<I", 1) + b"\xff"), 400, "prompt"),
    "binary and no shape": (*binary(5, shape=None), 400, "prompt"),
    "binary and parameters in a list": (*binary(5, parameters=[1]), 400, "prompt"),
    "a length that is none": of(WHOLE, 400, LENGTH, **{LENGTH: "x"}),
    "a negative length": of(WHOLE, 400, LENGTH, **{LENGTH: "-1"}),
    "a length past the end": of(WHOLE, 400, LENGTH, **{LENGTH: "99999"}),
    "a length inside the JSON": of(WHOLE, 400, None, **{LENGTH: "5"}),
    "compression": of(WHOLE, 415, "content-encoding", **{"content-encoding": "gzip"}),
    "no JSON": of(b"{", 400, None),
    "no UTF-8": of(b'{"id": "\xff"}', 400, None),
    "no object": of(b"[]", 400, None),
    "nothing": of(b"", 400, None),
    "no inputs": of(b"{}", 400, "inputs"),
    "inputs that are no list": of(body(7), 400, "inputs"),
    "an input that is no object": of(body([1]), 400, "inputs"),
    "an input without a name": of(body([{}]), 400, "inputs"),
    "an empty list": of(body([]), 422, "prompt"),
    "an id that is a number": of(body(SHORT, id=7), 400, "id"),
    "STRING": of(body([tensor("prompt", "STRING", "x")]), 400, "prompt"),
    "datatype X": of(body([tensor("prompt", "X", "x")]), 400, "prompt"),
    "no datatype": of(body([PROMPT | {"datatype": None}]), 400, "prompt"),
    "no shape": of(body([tensor("prompt", "BYTES", "x", shape=None)]), 400, "prompt"),
    "a negative shape": of(body([tensor("prompt", "BYTES", "x", shape=[-1])]), 400, "prompt"),
    "a shape of text": of(body([tensor("prompt", "BYTES", "x", shape=["1"])]), 400, "prompt"),
    "a shape that lies": of(body([tensor("prompt", "BYTES", "x", shape=[7])]), 422, "prompt"),
    "two elements": of(body([tensor("prompt", "BYTES", "x", data=["a", "b"])]), 400, "prompt"),
    "text for a number": of(body([PROMPT, tensor("seed", "INT64", "7")]), 400, "seed"),
    "true for a number": of(body([PROMPT, tensor("seed", "INT64", True)]), 400, "seed"),
    "half a number": of(body([PROMPT, tensor("num_frames", "INT32", 9.5)]), 400, "num_frames"),
    "a number past its datatype": of(body([PROMPT, tensor("seed", "INT8", 300)]), 400, "seed"),
    "an unknown input": of(body([PROMPT, tensor("colour", "BYTES", "red")]), 422, "colour"),
    "an input twice": of(body([PROMPT, PROMPT]), 422, "prompt"),
    "an input and a parameter": of(body([PROMPT], parameters={"prompt": "y"}), 422, "prompt"),
    "an unknown output": of(body(SHORT, outputs=[{"name": "gif"}]), 422, "outputs"),
    "an output twice": of(body(SHORT, outputs=[{"name": "seed"}] * 2), 422, "outputs"),
    "outputs that are no list": of(body(SHORT, outputs="all"), 400, "outputs"),
    "an output that is no object": of(body(SHORT, outputs=[[]]), 400, "outputs"),
    "an output with parameters in a list": of(
        body(SHORT, outputs=[{"name": "seed", "parameters": [1]}]), 400, "outputs"),
    "parameters that are no object": of(body(SHORT, parameters=[1]), 400, "parameters"),
    "binary_data_output that is no flag": of(
        body(SHORT, parameters={"binary_data_output": "yes"}), 400, "parameters"),
    "an unknown parameter": of(body(SHORT, parameters={"colour": "red"}), 422, "colour"),
    "another model": of(body(SHORT, parameters={"model": "mochi-1-preview"}), 422, "model"),
    "a bad job id": of(body(SHORT, parameters={"job_id": "a b"}), 422, "job_id"),
    "frames the model cannot make": of(body([PROMPT, tensor("num_frames", "INT32", 10)]), 422, "num_frames"),
    "a blank prompt": of(body([tensor("prompt", "BYTES", " ")]), 422, "prompt"),
}  # fmt: skip
DIFFERENT = {"an unknown parameter", "a bad job id"}  # each service lists its own fields


async def post(url: str, case: Case) -> tuple[int, dict[str, str], bytes]:
    async with aiohttp.ClientSession() as http, http.post(url, data=case[0], headers=case[1]) as answer:
        return answer.status, {k.lower(): v for k, v in answer.headers.items()}, await answer.read()


def outputs(headers: dict[str, str], raw: bytes) -> list[Any]:
    """Names, forms and, where no address is inside, values of an answer's outputs."""
    head = raw[: int(headers.get(LENGTH, len(raw)))]
    shown = json.loads(head)["outputs"]
    tail = raw[len(head) :]
    own = ("seed",)
    return [{k: v for k, v in output.items() if k != "data" or output["name"] in own} for output in shown] + [
        tail
    ]


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("path", ["", "/versions/local"])
@pytest.mark.parametrize("name", CASES)
async def test_the_same_bytes_get_the_same_answer_from_predictor_and_eventing(
    predictor: Predictor,  # noqa: F811
    eventing: Deployment,  # noqa: F811
    name: str,
    path: str,
) -> None:
    case = CASES[name]
    if path and case[2] == 200 and name != "a request":
        pytest.skip("one video by the versioned path is enough; the codec is the same")
    infer = f"/v2/models/tiny{path}/infer"
    answers = [await post(url + infer, case) for url in (f"http://127.0.0.1:{predictor.port}", eventing.url)]
    assert [answer[0] for answer in answers] == [case[2]] * 2, answers
    if case[2] == 200:
        ours, theirs = [outputs(headers, raw) for _, headers, raw in answers]
        assert ours == theirs
        return
    ours, theirs = [json.loads(raw) for _, _, raw in answers]
    assert ours["field"] == theirs["field"] == case[3], answers
    assert ours["code"] == theirs["code"]
    assert ours["error"] == theirs["error"] or name in DIFFERENT


@pytest.mark.asyncio(loop_scope="session")
async def test_other_models_and_versions_are_not_found(
    predictor: Predictor,  # noqa: F811
    eventing: Deployment,  # noqa: F811
) -> None:
    for path in ("/other", "/tiny/versions/2", "/tiny/versions/2/ready"):
        for url in (f"http://127.0.0.1:{predictor.port}", eventing.url):
            async with aiohttp.ClientSession() as http, http.get(f"{url}/v2/models{path}") as answer:
                assert (answer.status, (await answer.json())["code"]) == (404, "not_found")


ALLOWED = {
    "/v2": "GET, HEAD, OPTIONS",
    "/v2/models/tiny": "GET, HEAD, OPTIONS",
    "/v2/models/tiny/versions/local": "GET, HEAD, OPTIONS",
    "/v2/models/tiny/ready": "GET, HEAD, OPTIONS",
    "/v2/models/tiny/infer": "OPTIONS, POST",
    "/v2/models/tiny/versions/local/infer": "OPTIONS, POST",
}


@pytest.mark.asyncio(loop_scope="session")
async def test_head_and_options_on_both_services(
    predictor: Predictor,  # noqa: F811
    eventing: Deployment,  # noqa: F811
) -> None:
    async with aiohttp.ClientSession() as http:
        for path, allowed in ALLOWED.items():
            for url in (f"http://127.0.0.1:{predictor.port}", eventing.url):
                async with http.options(url + path) as answer:
                    assert (answer.status, answer.headers["Allow"]) == (204, allowed), (url, path)
                async with http.delete(url + path) as answer:
                    assert (answer.status, answer.headers["Allow"]) == (405, allowed), (url, path)
                async with http.get(url + path) as got, http.head(url + path) as answer:
                    assert answer.status == got.status, (url, path)
                    assert await answer.read() == b""


@pytest.mark.asyncio(loop_scope="session")
async def test_allow_lists_the_methods_of_every_route_at_a_path(eventing: Deployment) -> None:  # noqa: F811
    paths = {"/v1/jobs": "GET, HEAD, OPTIONS, POST", "/v1/jobs/a": "DELETE, GET, HEAD, OPTIONS, PUT"}
    for path, allowed in paths.items():
        answer, _ = await eventing.call("PATCH", path)
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    for path in ("/v1/jobs", "/v1/models", "/healthz", "/openapi.json", "/static/none"):
        answer, _ = await eventing.call("OPTIONS", path)
        assert answer.status == 204 and "GET" in answer.headers["Allow"], path
    answer, _ = await eventing.call("HEAD", "/v1/jobs")
    assert answer.status == 200


@pytest.mark.asyncio(loop_scope="session")
async def test_one_model_as_openai_has_it(eventing: Deployment) -> None:  # noqa: F811
    _, models = await eventing.call("GET", "/v1/models")
    _, model = await eventing.call("GET", "/v1/models/tiny")
    assert models["data"] == [model]
    assert (model["id"], model["object"], model["owned_by"]) == ("tiny", "model", "reelzero")
    assert model["created"] == int((catalog.HERE / "tiny.yaml").stat().st_mtime)
    answer, problem = await eventing.call("GET", "/v1/models/none")
    assert (answer.status, problem["code"], problem["field"]) == (404, "not_found", "model")
