"""tritonclient over HTTP: against eventing (which waits in the queue) and against the predictor itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.conformance.clients.report import PREDICTOR_URL, PROMPT, URL, call, refused


def tensor(name: str, datatype: str, value: Any, binary: bool) -> triton.InferInput:
    kinds = {"BYTES": np.object_, "INT32": np.int32, "INT64": np.int64, "FP32": np.float32}
    given = triton.InferInput(name, [1], datatype)
    given.set_data_from_numpy(np.array([value], dtype=kinds[datatype]), binary_data=binary)
    return given


def inputs(binary: bool) -> list[triton.InferInput]:
    return [
        tensor("prompt", "BYTES", PROMPT, binary),
        tensor("seed", "INT64", 7, binary),
        tensor("num_frames", "INT32", 17, binary),
        tensor("guidance_scale", "FP32", 1.5, binary),
    ]


def uri(result: Any) -> str:
    found = result.as_numpy("video_uri").reshape(-1)[0]
    text = found.decode() if isinstance(found, bytes) else str(found)
    assert text.startswith("s3://") and text.endswith("/video.mp4"), text
    return text


for where, base in (("eventing", URL), ("predictor", PREDICTOR_URL)):
    client = triton.InferenceServerClient(
        base.removeprefix("http://"), connection_timeout=120, network_timeout=120
    )

    @call(f"{where}: live, ready, model ready, metadata")
    def _(client: Any = client) -> object:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("tiny")
        client.get_server_metadata()
        model = client.get_model_metadata("tiny")
        assert {"prompt", "seed"} <= {one["name"] for one in model["inputs"]}
        assert "video_uri" in {one["name"] for one in model["outputs"]}
        return f"{len(model['inputs'])} inputs, {len(model['outputs'])} outputs"

    @call(f"{where}: infer, JSON tensors in and out")
    def _(client: Any = client) -> object:
        wanted = [triton.InferRequestedOutput("video_uri", binary_data=False)]
        return uri(client.infer("tiny", inputs(False), outputs=wanted, request_id="r1"))

    @call(f"{where}: infer, binary tensors in and out")
    def _(client: Any = client) -> object:
        wanted = [triton.InferRequestedOutput(name, binary_data=True) for name in ("video_uri", "seed")]
        result = client.infer("tiny", inputs(True), outputs=wanted)
        assert result.as_numpy("seed")[0] == 7
        return uri(result)

    @call(f"{where}: infer, no outputs named")
    def _(client: Any = client) -> object:
        result = client.infer("tiny", inputs(True))
        names = {one["name"] for one in result.get_response()["outputs"]}
        assert {
            "video_uri",
            "poster_uri",
            "spritesheet_uri",
            "manifest_uri",
            "sha256",
            "seed",
            "result",
        } <= names
        return uri(result)

    @call(f"{where}: a wrong number of frames is refused")
    def _(client: Any = client) -> object:
        bad = [tensor("prompt", "BYTES", PROMPT, True), tensor("num_frames", "INT32", 10, True)]
        return refused(InferenceServerException, lambda: client.infer("tiny", bad), "10 frames").status()

    @call(f"{where}: an unknown input is refused")
    def _(client: Any = client) -> object:
        bad = [tensor("prompt", "BYTES", PROMPT, True), tensor("zoom", "INT32", 1, True)]
        return refused(InferenceServerException, lambda: client.infer("tiny", bad), "zoom").status()
