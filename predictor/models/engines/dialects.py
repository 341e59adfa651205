"""Write a spec as each server takes it, and name the calls that stop a video there.

Both take `num_frames`, so `seconds` is not sent: seconds by frame rate is a frame count that few models make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eventing.contract.catalog import Dialect, Engine
from eventing.contract.records.models import GenerationSpec

Fields = dict[str, Any]
Part = tuple[str | None, bytes, str]  # file name, content, type
TEXT = "text/plain; charset=utf-8"
FORM_ONLY = frozenset({Dialect.vllm_omni})  # the other takes JSON, and a form for a request with a picture
HAS_CANCEL = frozenset({Dialect.sglang})  # POST /v1/videos/{id}/cancel; the other cancels by DELETE


@dataclass(frozen=True)
class Body:
    """The body of a POST: JSON, or the parts of a form by name."""

    json: Fields | None = None
    form: dict[str, Part] | None = None


def body(engine: Engine, spec: GenerationSpec, picture: bytes | None) -> Body:
    """Return the body that makes a video. `picture` is a PNG of the video's size, the first frame."""
    fields = _fields(engine, spec)
    if picture is None and engine.dialect not in FORM_ONLY:
        return Body(json=fields)
    form: dict[str, Part] = {name: (None, str(value).encode(), TEXT) for name, value in fields.items()}
    if picture is not None:
        form["input_reference"] = ("first.png", picture, "image/png")
    return Body(form=form)


def _fields(engine: Engine, spec: GenerationSpec) -> Fields:
    return {
        "model": engine.model,
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "size": f"{spec.width}x{spec.height}",
        "num_frames": spec.num_frames,
        "fps": spec.fps,
        "num_inference_steps": spec.num_inference_steps,
        "seed": spec.seed,
        **_guidance(engine.dialect, spec),
    }


def _guidance(dialect: Dialect, spec: GenerationSpec) -> Fields:
    """Return the guidance of the first steps and of the last ones, of a model with two transformers."""
    if spec.guidance_scale_2 is None:
        return {"guidance_scale": spec.guidance_scale}
    first, last = spec.guidance_scale, spec.guidance_scale_2
    if dialect is Dialect.vllm_omni:  # there guidance_scale_2 is that of the first steps, of high noise
        first, last = last, first
    return {"guidance_scale": first, "guidance_scale_2": last}
