"""Tiny models in the shape of each catalog entry, so that every entry's pipelines run on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import CogVideoXDPMScheduler
from PIL import Image

from eventing.contract.catalog import Catalog, CatalogEntry, Task, load_catalog
from predictor.models import tiny, tiny_hunyuan15, tiny_ltx2
from predictor.models.pipelines import Pictures

COG_15: dict[str, Any] = {
    "patch_size_t": 2,
    "use_rotary_positional_embeddings": True,
    "patch_bias": False,
    "sample": 16,
}
CATALOG: Catalog = load_catalog()


@dataclass(frozen=True)
class Variant:
    """How to build one tiny model, its frames and grid, and what diffusers' call needs beside the usual."""

    build: Callable[[], Any]
    multiple: int
    pixels: int = 16
    call: dict[str, Any] = field(default_factory=dict)


def cogvideox_5b() -> Any:
    pipe = tiny.cogvideox(use_rotary_positional_embeddings=True)
    pipe.scheduler = CogVideoXDPMScheduler()
    return pipe


VARIANTS: dict[str, Variant] = {
    "cogvideox-2b": Variant(tiny.cogvideox, 8),
    "cogvideox-5b": Variant(cogvideox_5b, 8, call={"use_dynamic_cfg": True}),
    "cogvideox1.5-5b": Variant(lambda: tiny.cogvideox(**COG_15), 16),
    "cogvideox1.5-5b-i2v": Variant(lambda: tiny.cogvideox(image=True, **COG_15, ofs_embed_dim=2), 16),
    "hunyuanvideo-1.5-i2v": Variant(lambda: tiny_hunyuan15.build(image=True), 4),
    "hunyuanvideo-1.5-t2v": Variant(tiny_hunyuan15.build, 4),
    "ltx-2.3": Variant(tiny_ltx2.build, 4, 32, {"frame_rate": 24}),
    "ltx-video": Variant(tiny.ltx, 4, 32, {"frame_rate": 24}),
    "mochi-1-preview": Variant(tiny.mochi, 6),
    "wan2.1-t2v-1.3b": Variant(tiny.wan, 4),
    "wan2.2-i2v-a14b": Variant(lambda: tiny.wan(two=True, image=True), 4, call={"guidance_scale_2": 3.5}),
    "wan2.2-t2v-a14b": Variant(lambda: tiny.wan(two=True), 4, call={"guidance_scale_2": 3.0}),
    "wan2.2-ti2v-5b": Variant(lambda: tiny.wan(small=True), 4, 32),
}
RUNS = [(name, task) for name in VARIANTS for task in CATALOG.get(name).tasks.pipelines()]


def build(name: str, folder: Path) -> Path:
    """Write the tiny model of an entry."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        VARIANTS[name].build().save_pretrained(folder)
    return folder


def small(name: str) -> CatalogEntry:
    """The entry, with sizes and numbers that a CPU makes in a moment."""
    variant, entry = VARIANTS[name], CATALOG.get(name)
    multiple = variant.multiple
    return CatalogEntry.model_validate(
        entry.model_dump()
        | {"sizes": ((64, 64),), "sides": {"multiple": variant.pixels}, "dtype": "float32", "dtypes": {}}
        | {
            "frames": {
                "multiple": multiple,
                "min": multiple + 1,
                "max": 6 * multiple + 1,
                "default": multiple + 1,
            }
        }
        | {"max_prompt_tokens": 16, "vae_tiling": False}
    )


def pictures(task: Task) -> Pictures:
    """Coloured noise for every picture of a task."""
    made = [
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8))
        for seed in (1, 2)
    ]
    return {
        Task.text: Pictures(),
        Task.image: Pictures(made[0]),
        Task.first_last: Pictures(made[0], made[1]),
    }[task]
