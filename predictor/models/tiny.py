"""Build tiny pipelines with random weights, for tests and for a first try without a download.

Run `python -m predictor.models.tiny FOLDER [--family cogvideox|mochi|wan|ltx]`. The pictures are noise.
Builders are seeded, so a family always gets the same weights. They use the real models' classes, only
smaller.
"""

from __future__ import annotations

import argparse
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLLTXVideo,
    AutoencoderKLMochi,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MochiPipeline,
    MochiTransformer3DModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import T5Config, T5EncoderModel, T5TokenizerFast, UMT5Config, UMT5EncoderModel

WIDTH = 32  # of text embeddings
TOKENS = 16  # the most that a prompt has
SEED = 0


def tokenizer() -> Any:
    """Build a tokenizer of single characters."""
    characters = string.ascii_letters + string.digits + string.punctuation
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -2.0)]
    return T5TokenizerFast(vocab=special + [(character, -3.0) for character in characters], extra_ids=0)


def text_encoder(config: type[Any] = T5Config, model: type[Any] = T5EncoderModel) -> Any:
    """Build one layer of T5 or of UMT5."""
    return model(
        config(
            vocab_size=len(tokenizer()),
            d_model=WIDTH,
            d_kv=8,
            d_ff=37,
            num_layers=1,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            relative_attention_num_buckets=8,
            dropout_rate=0.0,
            decoder_start_token_id=0,
        )
    ).eval()


def cogvideox() -> Any:
    """Build a CogVideoX: 8k+1 frames, sides that are multiples of 16."""
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
        max_text_seq_length=TOKENS,
    )
    vae = AutoencoderKLCogVideoX(
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    return CogVideoXPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        transformer=transformer,
        vae=vae,
        scheduler=CogVideoXDDIMScheduler(),
    )


def mochi() -> Any:
    """Build a Mochi: 6k+1 frames, sides that are multiples of 16."""
    transformer = MochiTransformer3DModel(
        patch_size=2,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        pooled_projection_dim=16,
        in_channels=12,
        out_channels=None,
        text_embed_dim=WIDTH,
        time_embed_dim=4,
        max_sequence_length=TOKENS,
    )
    vae = AutoencoderKLMochi(
        latent_channels=12,
        out_channels=3,
        encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(32, 32, 32, 32),
        layers_per_block=(1, 1, 1, 1, 1),
    )
    return MochiPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        transformer=transformer,
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )


def wan() -> Any:
    """Build a Wan: 4k+1 frames, sides that are multiples of 16."""
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=WIDTH,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )
    vae = AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    )
    return WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(UMT5Config, UMT5EncoderModel),
        transformer=transformer,
        vae=vae,
        scheduler=scheduler,
    )


def ltx(conditioned: bool = False) -> Any:
    """Build an LTX-Video: 4k+1 frames, sides that are multiples of 32.

    With `conditioned`, the VAE takes noise and a timestep, as from version 0.9.1.
    """
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=WIDTH,
        num_layers=1,
        caption_channels=WIDTH,
    )
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False, False, False, False, False),
        upsample_residual=(False, False, False, False),
        upsample_factor=(1, 1, 1, 1),
        timestep_conditioning=conditioned,
        patch_size=1,
        patch_size_t=1,
        encoder_causal=True,
        decoder_causal=False,
    )
    return LTXPipeline(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(),
        transformer=transformer,
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )


BUILDERS: dict[str, Callable[[], Any]] = {"cogvideox": cogvideox, "mochi": mochi, "wan": wan, "ltx": ltx}


def build(folder: Path, family: str = "cogvideox") -> None:
    """Write a tiny pipeline of a family into a folder, as `from_pretrained` reads it."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        BUILDERS[family]().save_pretrained(folder)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m predictor.models.tiny", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pipeline is written")
    parser.add_argument("--family", choices=sorted(BUILDERS), default="cogvideox")
    arguments = parser.parse_args()
    build(arguments.folder, arguments.family)


if __name__ == "__main__":
    main()
