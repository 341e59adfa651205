"""On a GPU, true configurations with random weights make the latents of one call of diffusers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.card.budget import free_memory
from bench.card.models import MODELS, Model
from bench.card.steps import PROMPT
from eventing.contract.records.models import Quality, VideoRequest
from predictor.models.pipelines.base import generator

STEPS = 3
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device with 60 GiB of memory"),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_true_configuration_makes_the_latents_of_one_call_of_diffusers(model: Model) -> None:
    pipeline = model.pipeline("cuda:0")
    request = VideoRequest(prompt=PROMPT, seed=0, quality=Quality.high)
    spec = pipeline.entry.resolve(request).model_copy(update={"num_inference_steps": STEPS})
    ours = pipeline.denoise(spec, pipeline.encode_prompt(spec), lambda _done, _total: None)
    options: dict[str, Any] = pipeline._options(spec) | {
        "generator": generator(spec),
        "output_type": "latent",
    }
    with torch.inference_mode():
        stock = pipeline.pipe(prompt=spec.prompt, negative_prompt=spec.negative_prompt, **options).frames
    assert torch.equal(ours, stock)
    del pipeline, ours, stock
    free_memory()
