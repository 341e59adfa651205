"""tritonclient over gRPC, against the predictor."""

from __future__ import annotations

from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from tests.conformance.clients.report import PREDICTOR_GRPC, PROMPT, call, refused

client = triton.InferenceServerClient(PREDICTOR_GRPC)


def tensor(name: str, datatype: str, kind: Any, value: Any) -> triton.InferInput:
    given = triton.InferInput(name, [1], datatype)
    given.set_data_from_numpy(np.array([value], dtype=kind))
    return given


PROMPT_TENSOR = tensor("prompt", "BYTES", np.object_, PROMPT.encode())


@call("predictor: live, ready, model ready, metadata")
def _() -> object:
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("tiny")
    model = client.get_model_metadata("tiny")
    assert "prompt" in {one.name for one in model.inputs}
    return f"{len(model.inputs)} inputs, {len(model.outputs)} outputs"


@call("predictor: infer with tensors")
def _() -> object:
    result = client.infer("tiny", [PROMPT_TENSOR, tensor("seed", "INT64", np.int64, 7)], client_timeout=120)
    assert result.as_numpy("seed")[0] == 7
    return result.as_numpy("video_uri")[0].decode()


@call("predictor: infer with parameters")
def _() -> object:
    result = client.infer(
        "tiny", [PROMPT_TENSOR], parameters={"num_frames": 17, "quality": "low"}, client_timeout=120
    )
    assert '"num_frames":17' in result.as_numpy("result")[0].decode()
    return "num_frames and quality as parameters"


@call("predictor: a wrong value is INVALID_ARGUMENT")
def _() -> object:
    bad = [PROMPT_TENSOR, tensor("num_frames", "INT32", np.int32, 10)]
    error = refused(InferenceServerException, lambda: client.infer("tiny", bad), "10 frames")
    assert error.status() == "StatusCode.INVALID_ARGUMENT", error.status()
    return error.status()


@call("predictor: an unknown model is NOT_FOUND")
def _() -> object:
    error = refused(InferenceServerException, lambda: client.infer("none", [PROMPT_TENSOR]))
    assert error.status() == "StatusCode.NOT_FOUND", error.status()
    return error.status()
