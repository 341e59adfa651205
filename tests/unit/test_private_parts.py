"""Private parts of libraries that this code uses. A part that has moved fails here by name."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest

USED = [
    ("uvicorn", "Server._serve", ["self", "sockets"]),  # eventing/service.py
    ("uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol.data_received", ["self", "data"]),
    ("uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol.on_header", ["self", "name", "value"]),
    ("uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol.on_headers_complete", ["self"]),
    ("uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol.on_message_complete", ["self"]),
    ("uvicorn.protocols.http.httptools_impl", "HttpToolsProtocol.send_400_response", ["self", "msg"]),
    ("kserve", "ModelServer._serve", ["self"]),  # predictor/serving/server.py
    (
        "diffusers",
        "LTXPipeline._unpack_latents",
        ["latents", "num_frames", "height", "width", "patch_size", "patch_size_t"],
    ),  # predictor/models/pipelines/ltx.py
    (
        "diffusers",
        "LTXPipeline._denormalize_latents",
        ["latents", "latents_mean", "latents_std", "scaling_factor"],
    ),
]


@pytest.mark.parametrize(("module", "path", "parameters"), USED, ids=[path for _, path, _ in USED])
def test_a_private_part_is_where_it_was(module: str, path: str, parameters: list[str]) -> None:
    part: Any = importlib.import_module(module)
    for name in path.split("."):
        part = getattr(part, name)
    assert list(inspect.signature(part).parameters) == parameters
