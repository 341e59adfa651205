"""Names and datatypes of V2 inputs and outputs, and the metadata that lists them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from typing import Any

from eventing.contract.catalog import CatalogEntry
from eventing.contract.errors import InvalidRequest, NotFound
from eventing.contract.models import VideoResult
from eventing.contract.stream import InlineVideo, Output

INPUTS = {
    "prompt": "BYTES",
    "negative_prompt": "BYTES",
    "width": "INT32",
    "height": "INT32",
    "num_frames": "INT32",
    "fps": "INT32",
    "seed": "INT64",
    "num_inference_steps": "INT32",
    "guidance_scale": "FP32",
    "quality": "BYTES",
}
TRANSPORT = frozenset({"binary_data_output", "binary_data_size", "binary_data"})  # of the protocol itself
PARAMETERS = ("output", "job_id", "attempt", "model")  # may come as tensors of one element too
STORED_OUTPUTS: Mapping[str, Callable[[VideoResult], str | int]] = {
    "video_uri": lambda result: result.video.uri,
    "poster_uri": lambda result: result.poster.uri,
    "spritesheet_uri": lambda result: result.spritesheet.uri,
    "manifest_uri": lambda result: result.manifest_uri,
    "sha256": lambda result: result.video.sha256,
    "seed": lambda result: result.seed,
    "result": lambda result: result.model_dump_json(),
}
INLINE_OUTPUTS: Mapping[str, Callable[[InlineVideo], str | int]] = {
    "video": lambda result: result.video_base64,
    "sha256": lambda result: result.sha256,
    "seed": lambda result: result.seed,
    "result": lambda result: result.model_dump_json(exclude={"video_base64"}),
}
OUTPUTS = dict.fromkeys([*STORED_OUTPUTS, *INLINE_OUTPUTS], "BYTES") | {"seed": "INT64"}


def output_names(output: Any) -> tuple[str, ...]:
    """The outputs of a result that stays in S3 or, with `output=inline`, is in the answer."""
    return tuple(INLINE_OUTPUTS if output == Output.inline else STORED_OUTPUTS)


def output_values(result: VideoResult | InlineVideo) -> dict[str, str | int]:
    """Every output by name."""
    if isinstance(result, InlineVideo):
        return {name: read(result) for name, read in INLINE_OUTPUTS.items()}
    return {name: read(result) for name, read in STORED_OUTPUTS.items()}


def tensors(datatypes: Mapping[str, str], names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Inputs or outputs as metadata lists them: all, or only `names`."""
    listed = datatypes if names is None else names
    return [{"name": name, "datatype": datatypes[name], "shape": [1]} for name in listed]


def metadata(entry: CatalogEntry, outputs: Iterable[str], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Metadata of a model. Its parameters and limits are an extension."""
    limits = {
        "model": "must be this model, if sent",
        "sizes": [f"{width}x{height}" for width, height in entry.sizes],
        "num_frames": entry.frames.describe(),
    }
    return {
        "name": entry.name,
        "versions": [entry.revision],
        "platform": f"diffusers_{entry.family}",
        "inputs": tensors(INPUTS),
        "outputs": tensors(OUTPUTS, outputs),
        "parameters": dict(parameters) | limits,
    }


def check_input(name: str, earlier: Container[str]) -> None:
    """Raise InvalidRequest for an input that does not exist or that came before."""
    if name not in INPUTS and name not in PARAMETERS:
        raise InvalidRequest(f"unknown input {name!r}; known: {', '.join(INPUTS)}", field=name)
    if name in earlier:
        raise InvalidRequest(f"{name}: must be sent once", field=name)


def check_output(name: str, earlier: Container[str], known: Collection[str]) -> None:
    """Raise InvalidRequest for an output that does not exist or that came before."""
    if name not in known:
        raise InvalidRequest(f"unknown output {name!r}; known here: {', '.join(known)}", field="outputs")
    if name in earlier:
        raise InvalidRequest(f"output {name!r}: must be asked for once", field="outputs")


def require_version(entry: CatalogEntry, version: str | None) -> None:
    """Raise NotFound for a version that the metadata does not list. None is the only one there is."""
    if version not in (None, entry.revision):
        raise NotFound(f"model {entry.name} has version {entry.revision} only")


def require_model(fields: Mapping[str, Any], model: str) -> None:
    """Raise InvalidRequest if the parameter `model` names another model than the path."""
    if fields.get("model") not in (None, model):
        raise InvalidRequest(f"model: this address is for {model}", field="model")
