"""List the names and datatypes of V2 inputs and outputs, check them, and make the metadata."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from typing import Any

from eventing.contract.catalog import CatalogEntry
from eventing.contract.codecs.stream import InlineVideo, Output
from eventing.contract.errors import InvalidRequest, NotFound
from eventing.contract.records.results import VideoResult

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
    "guidance_scale_2": "FP32",
    "quality": "BYTES",
    "image": "BYTES",
    "last_image": "BYTES",
    "image_fit": "BYTES",
    "strength": "FP32",
    "loras": "BYTES",  # JSON
    "generate_audio": "BOOL",
}
OF_SOME_MODELS = frozenset({"image", "last_image", "image_fit", "strength", "generate_audio"})
TRANSPORT = frozenset({"binary_data_output", "binary_data_size", "binary_data"})  # the protocol's own
PARAMETERS = ("output", "job_id", "attempt", "model")  # may also be inputs of one element
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
    """List the outputs of a result in S3 or, with `output=inline`, of one in the answer."""
    return tuple(INLINE_OUTPUTS if output == Output.inline else STORED_OUTPUTS)


def output_values(result: VideoResult | InlineVideo) -> dict[str, str | int]:
    """Return the value of every output, by name."""
    if isinstance(result, InlineVideo):
        return {name: read(result) for name, read in INLINE_OUTPUTS.items()}
    return {name: read(result) for name, read in STORED_OUTPUTS.items()}


def tensors(datatypes: Mapping[str, str], names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """List inputs or outputs in the form of the metadata: all, or only `names`."""
    listing = datatypes if names is None else names
    return [{"name": name, "datatype": datatypes[name], "shape": [1]} for name in listing]


def metadata(entry: CatalogEntry, outputs: Iterable[str], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata of a model. `parameters` in it is an extension of V2: parameters and limits."""
    limits = {
        "model": "must be this model, if sent",
        "sizes": [f"{width}x{height}" for width, height in entry.sizes],
        "num_frames": entry.frames.describe(),
    }
    return {
        "name": entry.name,
        "versions": [entry.revision],
        "platform": f"diffusers_{entry.family}" if entry.has_weights else entry.family,
        "inputs": tensors(INPUTS, [name for name in INPUTS if _takes(entry, name)]),
        "outputs": tensors(OUTPUTS, outputs),
        "parameters": dict(parameters) | limits,
    }


def _takes(entry: CatalogEntry, name: str) -> bool:
    """Tell whether a model takes an input; adapters and those of pictures and sound depend on the model."""
    if name == "loras":
        return bool(entry.loras)
    return name not in OF_SOME_MODELS or ("image" if name == "image_fit" else name) in entry.inputs


def check_input(name: str, earlier: Container[str]) -> None:
    """Raise InvalidRequest for an input that is unknown or sent twice."""
    if name not in INPUTS and name not in PARAMETERS:
        raise InvalidRequest(f"unknown input {name!r}; known: {', '.join(INPUTS)}", field=name)
    if name in earlier:
        raise InvalidRequest(f"{name}: must be sent once", field=name)


def check_output(name: str, earlier: Container[str], known: Collection[str]) -> None:
    """Raise InvalidRequest for an output that is unknown or named twice."""
    if name not in known:
        raise InvalidRequest(f"unknown output {name!r}; known here: {', '.join(known)}", field="outputs")
    if name in earlier:
        raise InvalidRequest(f"output {name!r}: must be named once", field="outputs")


def require_version(entry: CatalogEntry, version: str | None) -> None:
    """Raise NotFound for a version that the metadata does not list. None means the only version."""
    if version not in (None, entry.revision):
        raise NotFound(f"model {entry.name} has version {entry.revision} only")


def require_model(fields: Mapping[str, Any], model: str) -> None:
    """Raise InvalidRequest if the parameter `model` names another model than the path."""
    if fields.get("model") not in (None, model):
        raise InvalidRequest(f"model: this address is for {model}", field="model")
