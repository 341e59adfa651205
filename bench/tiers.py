"""What the tiers of a model save and change, next to its tier `high`: `python -m bench.tiers`.

Each tier makes the same prompts with the same seeds. Seconds are those of the steps. PSNR and SSIM compare
the frames with those of `high`, which are exact. `high, cached` has its steps and a step cache. Only
the model in the box has weights that a CPU can run. The others need a GPU, and their weights in the Hugging
Face cache.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from bench.harness.distance import Frames, psnr, ssim
from bench.harness.records import Record, Size, main, median, not_run
from eventing.contract.catalog import CatalogEntry, load_catalog
from eventing.contract.errors import ModelUnavailable
from eventing.contract.records.models import GenerationSpec, Quality, VideoRequest
from eventing.contract.records.step_cache import StepCache
from predictor.models.loading import find_folder, load_model
from predictor.settings import PredictorSettings

PROMPTS = (
    "a red circle moving right",
    "a small blue square falls on a white background",
    "two green triangles move apart",
    "a yellow star grows over a black background",
)
CACHE = StepCache(method="first_block", threshold=0.1)
NO_GPU = "[not run] needs a GPU with its weights"
Spec = GenerationSpec
Made = tuple[Frames, float]  # the frames, and the seconds of the steps


def specs(entry: CatalogEntry, prompt: str, seed: int, steps: int | None = None) -> dict[str, Spec]:
    """Return what is compared, by name; `high` first."""

    def of(quality: Quality) -> Spec:
        return entry.resolve(
            VideoRequest(prompt=prompt, seed=seed, quality=quality, num_inference_steps=steps)
        )

    high = of(Quality.high)
    others = {str(quality): of(quality) for quality, _ in entry.quality.items() if quality != Quality.high}
    if entry.gpus <= 1:
        others["high, cached"] = high.model_copy(update={"step_cache": CACHE})
    return {"high": high, **others}


def made(pipeline: Any, spec: Spec) -> Made:
    embeds = pipeline.encode_prompt(spec)
    begin = time.perf_counter()
    latents = pipeline.denoise(spec, embeds, lambda _done, _total: None)
    seconds = time.perf_counter() - begin
    return pipeline.decode(spec, latents), seconds


def compared(entry: CatalogEntry, count: int, steps: int | None) -> list[Record]:
    """Make some prompts in every tier; compare them with `high`. `steps` replace those of the tiers."""
    torch.set_num_threads(1)
    pipeline = load_model(entry, PredictorSettings(device="auto", model=entry.name)).pipeline
    runs = [
        {name: made(pipeline, spec) for name, spec in specs(entry, prompt, seed, steps).items()}
        for seed, prompt in enumerate(PROMPTS[:count])
    ]
    return [_record(entry, name, runs) for name in runs[0] if name != "high"]


def _record(entry: CatalogEntry, name: str, runs: list[dict[str, Made]]) -> Record:
    pairs = [(run[name], run["high"]) for run in runs]
    seconds, exact = (median(one[1] for one in side) for side in zip(*pairs, strict=True))
    near = [(psnr(one[0], other[0]), ssim(one[0], other[0])) for one, other in pairs]
    decibels, similarity = (median(values) for values in zip(*near, strict=True))
    spec = specs(entry, PROMPTS[0], 0)[name]
    cache = f", {spec.step_cache.method} {spec.step_cache.threshold:g}" if spec.step_cache else ""
    note = f"PSNR {decibels:.1f} dB, SSIM {similarity:.3f}; {spec.num_inference_steps} steps{cache}"
    return Record(f"{entry.name}, {name}", "s", seconds, exact, "high", note=note)


def _at_hand(entry: CatalogEntry) -> bool:
    """Tell whether this machine can run an entry's published weights."""
    if entry.bundled:
        return True
    if entry.engine or not entry.repository or not torch.cuda.is_available():
        return False
    try:
        folder, _ = find_folder(entry, PredictorSettings(model=entry.name, allow_download=False))
    except ModelUnavailable:
        return False
    return Path(folder).is_dir()


def cases(size: Size) -> list[Record]:
    """Compare the tiers of every model of the catalog."""
    records = []
    for entry in load_catalog().entries():
        if _at_hand(entry):
            count, steps = size.of(full=(4, None), quick=(2, None), smallest=(1, 1))
            records += compared(entry, count, steps)
        elif entry.repository:
            records.append(not_run(entry.name, "s", "high", NO_GPU))
    return records


if __name__ == "__main__":
    main(cases)
