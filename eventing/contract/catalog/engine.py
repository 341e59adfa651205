"""Name the server that makes the videos of a model without weights here: an engine with `/v1/videos`.

The path is that of OpenAI's Videos API. Servers differ in how they take a request and in how they cancel:
https://docs.sglang.io (SGLang-Diffusion) and https://docs.vllm.ai/projects/vllm-omni (vLLM-Omni).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from eventing.contract.http.urls import is_http_url
from eventing.contract.records.frozen import Frozen

FAMILY = "openai-video"


class Dialect(StrEnum):
    """The server's habits."""

    sglang = "sglang"  # JSON, or a form with a picture; POST /cancel, and DELETE frees nothing
    vllm_omni = "vllm-omni"  # always a form; DELETE cancels


def _is_base(url: str) -> str:
    is_http_url(url)
    if "?" in url or "#" in url:
        raise ValueError("must end with a path, without ? and #")
    return url.rstrip("/").removesuffix("/v1")


EngineUrl = Annotated[str, AfterValidator(_is_base), Field(min_length=1, max_length=2000)]


class Engine(Frozen):
    """A server with `/v1/videos`, and the model to ask it for."""

    url: EngineUrl | None = Field(
        None, description="Its address, such as http://127.0.0.1:30000; none: REELZERO_ENGINE_URL says it."
    )
    model: str = Field(min_length=1, max_length=500, description="Name of the model at that server.")
    dialect: Dialect = Field(description="Which server it is.")
