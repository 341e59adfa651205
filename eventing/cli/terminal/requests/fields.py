"""Make the options of `submit` from the fields of a job request, so that no field is without one."""

from __future__ import annotations

import inspect
import re
import types
from enum import StrEnum
from typing import Annotated, Any, Union, get_args, get_origin

import typer

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import JobRequest
from eventing.contract.records.pictures import FIELDS

ARGUMENTS = ("prompt",)  # fields that are no options
NAMES = {"n": ("-n",), "num_frames": ("--num-frames", "--frames"), "loras": ("--lora",)}
METAVARS = {"loras": "NAME[=SCALE]", "metadata": "KEY=VALUE", **dict.fromkeys(FIELDS, "FILE|URL")}
HELP = {
    "image": "First frame: a picture file or its address.",
    "last_image": "Last frame, with --image.",
    "quality": "Tier: more steps, more time.",
    "num_inference_steps": "Steps; overrides the tier.",
    "guidance_scale": "Guidance; overrides the tier.",
}
REPEATED = ("loras", "metadata")
PAIR = re.compile(r"([^=]+)=(.*)", re.DOTALL)


def request_options() -> list[inspect.Parameter]:
    """Return one option for each field of a request but the prompt, and `--size`."""
    size = typer.Option("--size", help="Width and height in one: 720x480.", metavar="WxH")
    options = [_parameter("size", str, size)]
    for name, field in JobRequest.model_fields.items():
        if name not in ARGUMENTS:
            options.append(_parameter(name, _kind(name, field.annotation), _option(name, field.description)))
    return options


def request_fields(options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a request that options set. Raises InvalidRequest naming the option."""
    fields = {name: value for name, value in options.items() if value is not None and value != []}
    if size := fields.pop("size", None):
        fields |= _size(size)
    if loras := fields.pop("loras", None):
        fields["loras"] = [_lora(text) for text in loras]
    if metadata := fields.pop("metadata", None):
        fields["metadata"] = dict(_pair("--metadata", text) for text in metadata)
    return {name: str(value) if isinstance(value, StrEnum) else value for name, value in fields.items()}


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _option(name: str, description: str | None) -> Any:
    dashed = name.replace("_", "-")
    is_flag = _kind(name, JobRequest.model_fields[name].annotation) is bool
    names = NAMES.get(name, (f"--{dashed}/--no-{dashed}" if is_flag else f"--{dashed}",))
    return typer.Option(*names, help=HELP.get(name, description), metavar=METAVARS.get(name))


def _kind(name: str, annotation: Any) -> Any:
    """Return the plain type of a field: of `Annotated[int, …] | None` it is int."""
    if name in REPEATED:
        return list[str]
    if get_origin(annotation) is Annotated:
        return _kind(name, get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _kind(name, next(part for part in get_args(annotation) if part is not types.NoneType))
    return annotation


def _size(text: str) -> dict[str, int]:
    match = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", text)
    if not match:
        raise InvalidRequest(f"--size: {text} is not a size; write it as 720x480", field="--size")
    return {"width": int(match[1]), "height": int(match[2])}


def _lora(text: str) -> dict[str, Any]:
    name, _, scale = text.partition("=")
    try:
        return {"name": name} | ({"scale": float(scale)} if scale else {})
    except ValueError:
        raise InvalidRequest(
            f"--lora: {text} must be NAME or NAME=SCALE, such as ink=0.8", field="--lora"
        ) from None


def _pair(option: str, text: str) -> tuple[str, str]:
    if not (match := PAIR.fullmatch(text)):
        raise InvalidRequest(f"{option}: {text} must be KEY=VALUE", field=option)
    return match[1], match[2]
