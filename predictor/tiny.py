"""Build tiny pipelines with random weights, for tests and for trying the service without a download.

`python -m predictor.tiny FOLDER [--family cogvideox|mochi|wan|ltx]`: the pictures are noise by design.
Every builder is seeded, so the same family always gets the same weights.
"""

from __future__ import annotations

import argparse
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import T5Config, T5EncoderModel, T5TokenizerFast

WIDTH = 32  # of the text embeddings
SEED = 0


def text_parts(d_model: int = WIDTH) -> dict[str, Any]:
    """A tokenizer that knows single letters and a one-layer T5 encoder."""
    letters = [(letter, -3.0) for letter in string.ascii_letters + string.digits + string.punctuation]
    vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -2.0), *letters]
    config = T5Config(
        vocab_size=len(vocabulary),
        d_model=d_model,
        d_kv=8,
        d_ff=37,
        num_layers=1,
        num_heads=4,
        feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=8,
        dropout_rate=0.0,
        decoder_start_token_id=0,
    )
    return {
        "tokenizer": T5TokenizerFast(vocab=vocabulary, extra_ids=0),
        "text_encoder": T5EncoderModel(config).eval(),
    }


def cogvideox() -> Any:
    """A CogVideoXPipeline of about 100,000 parameters: 8k+1 frames, sizes divisible by 16."""
    from diffusers import (
        AutoencoderKLCogVideoX,
        CogVideoXDDIMScheduler,
        CogVideoXPipeline,
        CogVideoXTransformer3DModel,
    )

    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=WIDTH,
        num_layers=1,
        sample_width=2,
        sample_height=2,
        sample_frames=9,
        patch_size=2,
        temporal_compression_ratio=4,
        max_text_seq_length=16,
    )
    vae = AutoencoderKLCogVideoX(
        in_channels=3,
        out_channels=3,
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    return CogVideoXPipeline(transformer=transformer, vae=vae, scheduler=CogVideoXDDIMScheduler(), **text_parts())


BUILDERS: dict[str, Callable[[], Any]] = {"cogvideox": cogvideox}


def build(folder: Path, family: str = "cogvideox") -> None:
    """Write a tiny pipeline of a family into a folder, as `from_pretrained` reads it."""
    torch.manual_seed(SEED)
    BUILDERS[family]().save_pretrained(folder)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m predictor.tiny", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pipeline is written")
    parser.add_argument("--family", choices=sorted(BUILDERS), default="cogvideox")
    arguments = parser.parse_args()
    build(arguments.folder, arguments.family)


if __name__ == "__main__":
    main()
