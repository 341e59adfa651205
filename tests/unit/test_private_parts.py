"""Parts of libraries that are private or undocumented, and that this project builds on.

A new release may move them without notice. Each test says what moved, and which file needs a look.
pyproject.toml bounds these libraries from above.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import kserve.model_server
import pytest
import uvicorn
from diffusers import (
    DiffusionPipeline,
    HunyuanVideo15Pipeline,
    LTXPipeline,
    MochiPipeline,
    ModelMixin,
    ParallelConfig,
    WanTransformer3DModel,
)
from kserve.model_repository import ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc.server import GRPCServer
from kserve.protocol.infer_type import to_http_parameters
from kserve.protocol.rest.server import RESTServer
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LTX = "predictor/models/pipelines/ltx.py"
STEPS = "predictor/models/pipelines/denoising/steps.py"
SERVER = "predictor/serving/server.py"
PLANE = "predictor/serving/dataplane.py"
SERVICE = "eventing/service.py"
HTTP = "eventing/contract/http/bounded_http.py"

RANKS = "predictor/models/ranks/group.py"

SIGNATURES: list[tuple[Callable[..., Any], list[str], str]] = [
    (
        LTXPipeline._unpack_latents,
        ["latents", "num_frames", "height", "width", "patch_size", "patch_size_t"],
        LTX,
    ),
    (
        LTXPipeline._denormalize_latents,
        ["latents", "latents_mean", "latents_std", "scaling_factor"],
        LTX,
    ),
    (ModelMixin._resolve_parallel_config, ["self", "config"], RANKS),
    (DiffusionPipeline.progress_bar, ["self", "iterable", "total"], STEPS),
    (uvicorn.Server._serve, ["self", "sockets"], SERVICE),
    (kserve.ModelServer._serve, ["self"], SERVER),
    (ModelRepository.unload, ["self", "name"], PLANE),
    (DataPlane.live, [], PLANE),
    (DataPlane.ready, ["self"], PLANE),
    (DataPlane.model_ready, ["self", "model_name", "disable_predictor_health_check"], PLANE),
    (DataPlane.get_model, ["self", "name"], PLANE),
    (DataPlane.get_model_from_registry, ["self", "name"], PLANE),
    (to_http_parameters, ["parameters"], "predictor/serving/tensors.py"),
    *(
        (getattr(HttpToolsProtocol, name), parameters, HTTP)
        for name, parameters in {
            "data_received": ["self", "data"],
            "on_url": ["self", "url"],
            "on_header": ["self", "name", "value"],
            "on_headers_complete": ["self"],
            "on_message_complete": ["self"],
            "send_400_response": ["self", "msg"],
        }.items()
    ),
]


def source_has(owner: Any, text: str) -> bool:
    return text in inspect.getsource(owner)


USES: list[tuple[Any, str, str]] = [
    (HunyuanVideo15Pipeline.__call__, "progress_bar.update()", STEPS),  # after each step
    (MochiPipeline.__call__, "progress_bar.update()", STEPS),
    (DiffusionPipeline, "def _execution_device(self)", STEPS),
    (ModelMixin.enable_parallelism, "config = self._resolve_parallel_config(config)", RANKS),
    (ParallelConfig.setup, "self.context_parallel_config.setup(rank, world_size, device, mesh)", RANKS),
    (WanTransformer3DModel, "_cp_plan = {", "predictor/models/pipelines/wan.py"),
    (kserve.ModelServer.start, "self._rest_server = RESTServer(", SERVER),
    (kserve.ModelServer.start, "asyncio.run(self._serve())", SERVER),
    (kserve.ModelServer.start, "self.model_repository_extension,", SERVER),
    (
        kserve.ModelServer.start,
        "kwargs=vars(args)",
        SERVER,
    ),  # the gRPC limits are read from the module's `args`
    (RESTServer.__init__, "self.config = uvicorn.Config(", SERVER),
    (GRPCServer.start, "grpc_max_send_message_length", SERVER),
    (HttpToolsProtocol.__init__, "self.cycle", HTTP),
    (HttpToolsProtocol.__init__, "self.headers", HTTP),
    (RequestResponseCycle.__init__, "self.response_complete", HTTP),
    (uvicorn.Server.shutdown, "timeout_graceful_shutdown", SERVICE),
]


@pytest.mark.parametrize(
    ("part", "parameters", "user"), SIGNATURES, ids=lambda value: getattr(value, "__qualname__", "")
)
def test_a_private_part_takes_what_it_took(
    part: Callable[..., Any], parameters: list[str], user: str
) -> None:
    assert list(inspect.signature(part).parameters) == parameters, (
        f"{part.__module__}.{part.__qualname__} has moved: look at {user}, "
        "then at the bound in pyproject.toml"
    )


@pytest.mark.parametrize(
    ("owner", "text", "user"), USES, ids=lambda value: value if isinstance(value, str) else value.__qualname__
)
def test_a_private_part_does_what_it_did(owner: Any, text: str, user: str) -> None:
    assert source_has(owner, text), (
        f"{owner.__module__}.{owner.__qualname__} has no `{text}` any more: look at {user}, "
        "then at the bound in pyproject.toml"
    )


@pytest.mark.parametrize("name", ["app", "parser", "args"])
def test_kserves_module_has_what_the_server_sets(name: str) -> None:
    assert hasattr(kserve.model_server, name), f"kserve.model_server.{name} has moved: look at {SERVER}"


def test_uvicorn_serves_without_handlers_of_its_own() -> None:
    """`_serve` leaves signals to eventing/service.py; `serve` does not."""
    assert source_has(uvicorn.Server.serve, "capture_signals"), (
        f"uvicorn's signals have moved: look at {SERVICE}"
    )
    assert not source_has(uvicorn.Server._serve, "capture_signals"), (
        f"uvicorn.Server._serve takes signals now: look at {SERVICE}"
    )
