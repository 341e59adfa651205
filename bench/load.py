"""Checkpoint to memory, next to `from_pretrained` and a plain read of the files: `python -m bench.load`.

The folder has 1.12 GB in bfloat16: a T5, a transformer and a small VAE. Weights of a CPU stay mapped to their
file, so each side also touches a byte of every page. That brings all bytes into the process; the sum of every
tensor would add 0.3 s of arithmetic to both. The garbage collector runs before each load, and not in it. The
first two comparisons have the files in the page cache. The third starts a process whose files are not, as
after a boot: the predictor reads them while it imports. Targets: 3 times `from_pretrained`, 0.8 of a plain
read.
"""

from __future__ import annotations

import functools
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.harness.process import ROOT
from bench.harness.records import Record, Size, at_least, main, median
from eventing.contract.catalog import CatalogEntry, load_catalog

WIDTH = 1024  # of text embeddings
CHUNK = 8 << 20
TOUCH = """
import sys, torch
def touch(pipe):
    for part in (pipe.text_encoder, pipe.transformer, pipe.vae):
        for tensor in part.parameters():
            tensor.view(-1).view(torch.uint8)[::4096].sum()
"""
PEER = """
import kserve, torch
from diffusers import CogVideoXPipeline
touch(CogVideoXPipeline.from_pretrained(sys.argv[1], dtype=torch.bfloat16, local_files_only=True))
"""
OURS = """
from pathlib import Path
from predictor import read_ahead
read_ahead.begin(Path(sys.argv[1]))
import predictor.serving.server, predictor.generation.generate
from bench.load import load
touch(load(Path(sys.argv[1])))
"""


def build(folder: Path, is_small: bool) -> None:
    """Write a CogVideoX whose text encoder and transformer have random weights of this size."""
    import torch
    from transformers import T5Config, T5EncoderModel

    from predictor.models import tiny

    pipe = tiny.cogvideox()
    if not is_small:
        with torch.device("meta"):
            config = T5Config(vocab_size=32128, d_model=WIDTH, d_ff=2816, num_layers=24, num_heads=16)
            text_encoder = T5EncoderModel(config)
            options = {"text_embed_dim": WIDTH, "num_attention_heads": 16, "attention_head_dim": 64}
            own = {**pipe.transformer.config, **options, "time_embed_dim": 256, "num_layers": 16}
            transformer = type(pipe.transformer).from_config(own)
        large = {"text_encoder": text_encoder, "transformer": transformer}
        pipe.register_modules(**{name: _filled(module) for name, module in large.items()})
    pipe.to(torch.bfloat16)
    pipe.save_pretrained(folder, max_shard_size="100TB")


def _filled(module: Any) -> Any:
    import torch

    module.to(torch.bfloat16).to_empty(device="cpu")
    for tensor in (*module.parameters(), *module.buffers()):
        torch.nn.init.uniform_(tensor, -0.02, 0.02)
    return module.eval()


@functools.cache
def _entry() -> CatalogEntry:
    return load_catalog().get("tiny")


def load(folder: Path) -> Any:
    """Load the folder as a predictor does."""
    from predictor.models.memory import load_pipeline
    from predictor.settings import PredictorSettings

    entry = _entry().model_copy(update={"dtype": "bfloat16"})
    return load_pipeline(entry, PredictorSettings(), folder, "cpu").pipe  # type: ignore[attr-defined]


def stock(folder: Path) -> Any:
    import torch
    from diffusers import CogVideoXPipeline

    return CogVideoXPipeline.from_pretrained(folder, dtype=torch.bfloat16, local_files_only=True)


def plain(files: list[Path]) -> None:
    """Read files into memory of their size, as a copy to a device would."""
    for file in files:
        view = memoryview(bytearray(file.stat().st_size))
        with file.open("rb", buffering=0) as opened:
            for start in range(0, len(view), CHUNK):
                opened.readinto(view[start : start + CHUNK])


def seconds(call: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    call()
    spent = time.perf_counter() - begin
    gc.enable()
    return spent


def from_disk(code: str, folder: Path, files: list[Path]) -> float:
    """Start a process that loads a folder whose files are not in the page cache."""
    for file in files:
        with file.open("rb") as opened, suppress(OSError):
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    command = [sys.executable, "-c", TOUCH + code, str(folder)]
    return seconds(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True))


def cases(size: Size) -> list[Record]:
    """Load in turns from the page cache, then start processes in turns with files on the disk."""
    touch: dict[str, Any] = {}
    exec(TOUCH, touch)
    with tempfile.TemporaryDirectory(prefix="bench-load-") as name:
        folder = Path(name) / "model"
        build(folder, size is Size.smallest)
        files = sorted(folder.rglob("*.safetensors"))
        gigabytes = sum(file.stat().st_size for file in files) / 1e9
        calls: list[Callable[[], object]] = [
            lambda: touch["touch"](load(folder)), lambda: touch["touch"](stock(folder)), lambda: plain(files)
        ]  # fmt: skip
        rounds = size.of(full=9, quick=3, smallest=1)
        for call in calls[:2]:
            call()  # their imports
        times = [[seconds(call) for call in calls] for _ in range(rounds)]
        ours, theirs, read = (gigabytes / median(side) for side in zip(*times, strict=True))
        starts = size.of(full=3, quick=1, smallest=0)
        cold = [(from_disk(OURS, folder, files), from_disk(PEER, folder, files)) for _ in range(starts)]
    what = f"checkpoint of {gigabytes:.3g} GB to memory"
    records = [
        Record(f"{what}, cached", "GB/s", ours, theirs, "from_pretrained", at_least(3)),
        Record(f"{what}, cached", "GB/s", ours, read, "a plain read", at_least(0.8)),
    ]
    if cold:
        mine, peer = (median(side) for side in zip(*cold, strict=True))
        records.append(Record(f"process start to a {what}, from disk", "s", mine, peer, "imports + load"))
    return records


if __name__ == "__main__":
    main(cases)
