"""Peak memory of a whole video, and disk to device, next to stock diffusers: two parts of bench.gpu."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from bench.card.budget import Budget, Pair, free_memory
from bench.card.models import Model
from bench.card.steps import STOCK, spec
from bench.harness.records import Record, at_least, median, not_run
from eventing.contract.records.models import GenerationSpec, Quality
from predictor.models.memory import load_pipeline
from predictor.models.pipelines.base import generator
from predictor.settings import PredictorSettings

GIB = 2**30


def peak(budget: Budget, pipeline: Any) -> Record:
    """Compare the peak memory of a video: text, two steps, all frames."""
    name = f"{pipeline.entry.name}, peak memory of a video"
    if not budget.on_card:
        return not_run(name, "MiB", STOCK, f"[not run] needs a GPU; {budget.where}")
    one = spec(pipeline.entry, Quality.low).model_copy(update={"num_inference_steps": 2})

    def measure() -> Pair:
        ours = _peak(budget, lambda: _ours(pipeline, one))
        return ours, _peak(budget, lambda: _stock(pipeline, one)), "weights included, no offloading"

    return budget.record(name, "MiB", STOCK, measure)


def load(budget: Budget, model: Model) -> Record:
    """Compare the load of a folder, whose files are not in the page cache."""
    name = f"{model.name}, disk to device"
    return budget.record(
        name, "GB/s", "from_pretrained", lambda: _load(budget, model), at_least(5) if budget.on_card else None
    )


def _peak(budget: Budget, call: Callable[[], None]) -> float:
    budget.require_time()
    free_memory()
    torch.cuda.reset_peak_memory_stats()
    call()
    return torch.cuda.max_memory_allocated() / 2**20


def _ours(pipeline: Any, one: GenerationSpec) -> None:
    latents = pipeline.denoise(one, pipeline.encode_prompt(one), lambda _done, _total: None)
    pipeline.stream(one, latents, lambda _frames: None)


@torch.inference_mode()
def _stock(pipeline: Any, one: GenerationSpec) -> None:
    texts = {"prompt": one.prompt, "negative_prompt": one.negative_prompt}
    pipeline.pipe(**texts, **pipeline._options(one), generator=generator(one), output_type="np")


def _load(budget: Budget, model: Model) -> Pair:
    entry = model.entry(budget.on_card)
    settings = PredictorSettings(device=budget.device, model=entry.name)
    with tempfile.TemporaryDirectory(prefix="bench-gpu-") as parent:
        free = shutil.disk_usage(parent).free / GIB
        if budget.on_card and free < 1.5 * entry.weights_gib:
            raise OSError(f"{parent} has {free:.0f} GiB free; the weights have {entry.weights_gib}")
        folder = Path(parent) / "model"
        kind = _written(model, budget.device, folder)
        files = list(folder.rglob("*.safetensors"))
        size = sum(file.stat().st_size for file in files)
        dtype = getattr(torch, entry.dtype)
        calls: dict[str, Callable[[], Any]] = {
            "ours": lambda: load_pipeline(entry, settings, folder, budget.device),
            "peer": lambda: kind.from_pretrained(folder, dtype=dtype, local_files_only=True).to(
                budget.device
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(budget.rounds):
            for name, call in calls.items():
                seconds[name].append(_seconds(budget, files, call))
    ours, peer = (size / 1e9 / median(seconds[name]) for name in calls)
    return ours, peer, f"{size / 1e9:.3g} GB, not in the page cache"


def _written(model: Model, device: str, folder: Path) -> Any:
    """Write the weights of a model into a folder and return the class of its pipeline."""
    pipe = model.pipe(device)
    pipe.save_pretrained(folder)
    return type(pipe)


def _seconds(budget: Budget, files: list[Path], call: Callable[[], Any]) -> float:
    budget.require_time()
    free_memory()
    _forget(files)
    begin = time.perf_counter()
    call()
    budget.wait()
    return time.perf_counter() - begin


def _forget(files: list[Path]) -> None:
    """Take files out of the page cache."""
    for file in files:
        with file.open("rb") as opened, suppress(OSError):
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
