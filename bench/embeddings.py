"""A prompt that was encoded before, next to encoding it: `python -m bench.embeddings`.

The peer is `encode_prompt` of the diffusers pipeline. One text encoder is that of the model in the box. The
other one has the size of T5 base (12 layers, 226 tokens, random weights). Those of the large models have 24
layers that are five times as wide, where a hit saves more. Target: at most 1 % of the time of encoding.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import T5Config, T5EncoderModel

from bench.harness.records import Record, Size, at_most, main, median
from eventing.contract.catalog import CatalogEntry, Task, load_catalog
from eventing.contract.records.models import VideoRequest
from predictor.models import tiny
from predictor.models.loading import load_model
from predictor.models.pipelines.cogvideox import Family
from predictor.settings import PredictorSettings

TOKENS = 226  # of CogVideoX
T5_BASE = {"d_model": 768, "d_kv": 64, "d_ff": 2048, "num_layers": 12, "num_heads": 12}
WORDS = "a red circle moving right over a green field"


def in_the_box(entry: CatalogEntry) -> Any:
    return load_model(entry, PredictorSettings(device="cpu")).pipeline


def base_sized(entry: CatalogEntry) -> Any:
    """Return a tiny CogVideoX with a text encoder of the size of T5 base."""
    pipe = tiny.cogvideox()
    config = T5Config(vocab_size=len(pipe.tokenizer), feed_forward_proj="gated-gelu", **T5_BASE)
    pipe.register_modules(text_encoder=T5EncoderModel(config).eval())
    pipe.transformer.register_to_config(max_text_seq_length=TOKENS)
    return Family({Task.text: pipe}, entry, "cpu")


def timed(call: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def compared(name: str, entry: CatalogEntry, pipeline: Any, rounds: int) -> Record:
    """Encode prompts with diffusers and ask for the same ones from memory, in turns."""
    options = {"do_classifier_free_guidance": False, "max_sequence_length": pipeline.text_length}
    misses, hits = [], []
    for number in range(rounds):
        spec = entry.resolve(VideoRequest(prompt=f"{WORDS} {number}", guidance_scale=1))
        pipeline.encode_prompt(spec)  # kept from now on
        with torch.inference_mode():
            misses.append(timed(lambda: pipeline.pipe.encode_prompt(spec.prompt, None, **options)))  # noqa: B023
        hits.append(timed(lambda: pipeline.encode_prompt(spec)))  # noqa: B023 - called at once
    ours, peer = median(hits) * 1e3, median(misses) * 1e3
    return Record(f"a known prompt, {name}", "ms", ours, peer, "encode it", at_most(0.01))


def cases(size: Size) -> list[Record]:
    """Compare hits with encoding, for the model in the box and for a larger text encoder."""
    torch.set_num_threads(1)
    rounds = size.of(full=7, quick=3, smallest=1)
    shapes, entry = load_catalog().get("shapes-tiny"), load_catalog().get("tiny")
    records = [compared("shapes-tiny", shapes, in_the_box(shapes), rounds)]
    if size is not Size.smallest:
        records.append(compared("T5 base", entry, base_sized(entry), rounds))
    return records


if __name__ == "__main__":
    main(cases)
