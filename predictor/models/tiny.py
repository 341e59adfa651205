"""Build tiny pipelines with random weights, for tests and for a first try without a download.

Run `python -m predictor.models.tiny FOLDER [--family NAME]`. The pictures are noise.
Builders are seeded, so a family always gets the same weights. They use the real models' classes, only
smaller.
"""

from __future__ import annotations

import argparse
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
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MochiPipeline,
    MochiTransformer3DModel,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import UMT5Config, UMT5EncoderModel

from predictor.models.tiny_parts import TOKENS, WIDTH, text_encoder, tokenizer

SEED = 0


def cogvideox(image: bool = False, sample: int = 2, **version: Any) -> Any:
    """Build a CogVideoX: 8k+1 frames, sides that are multiples of 16.

    With `image`, it continues a picture. `version` has options of the transformer, as version 1.5 sets them,
    and `sample` is the width and height of the latents that it was made for.
    """
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=8 if image else 4,
        out_channels=4,
        time_embed_dim=2,
        text_embed_dim=WIDTH,
        num_layers=1,
        sample_width=sample,
        sample_height=sample,
        sample_frames=9,
        patch_size=2,
        temporal_compression_ratio=4,
        max_text_seq_length=TOKENS,
        **version,
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
    kind = CogVideoXImageToVideoPipeline if image else CogVideoXPipeline
    return kind(
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


def wan_transformer(channels: int, out: int = 16) -> Any:
    """Build a transformer of Wan that reads this many channels."""
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=out,
        text_dim=WIDTH,
        freq_dim=256,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        qk_norm="rms_norm_across_heads",
        rope_max_seq_len=32,
    )


def wan_vae(**version: Any) -> Any:
    """Build a VAE of Wan; `version` has options as Wan 2.2 5B sets them."""
    return AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        **version,
    )


def wan(two: bool = False, image: bool = False, small: bool = False) -> Any:
    """Build a Wan: 4k+1 frames, sides that are multiples of 16.

    With `two`, it has two transformers as Wan 2.2 A14B; with `image`, it continues a picture. With `small` it
    is made as Wan 2.2 5B, which does both from one transformer and makes sides that are multiples of 32.
    """
    channels = 16 * 2 + 4 if image else 16  # the noise, the picture and its mask
    residual = {"is_residual": True, "patch_size": 2, "in_channels": 12, "out_channels": 12}
    options = {"expand_timesteps": small, "boundary_ratio": 0.9 if two else None}
    kind = WanImageToVideoPipeline if image else WanPipeline
    return kind(
        tokenizer=tokenizer(),
        text_encoder=text_encoder(UMT5Config, UMT5EncoderModel),
        transformer=wan_transformer(channels),
        transformer_2=wan_transformer(channels) if two else None,
        vae=wan_vae(**residual, scale_factor_spatial=16) if small else wan_vae(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
        ),
        **options,
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


def ltx2() -> Any:
    """Build an LTX-2: 4k+1 frames, sides that are multiples of 32."""
    from predictor.models import tiny_ltx2  # noqa: PLC0415 - Gemma is not imported to build another family

    return tiny_ltx2.build()


def hunyuan15() -> Any:
    """Build a HunyuanVideo 1.5: 4k+1 frames, sides that are multiples of 16."""
    from predictor.models import tiny_hunyuan15  # noqa: PLC0415 - as for Gemma above

    return tiny_hunyuan15.build()


BUILDERS: dict[str, Callable[[], Any]] = {
    "cogvideox": cogvideox,
    "mochi": mochi,
    "wan": wan,
    "ltx": ltx,
    "ltx2": ltx2,
    "hunyuan15": hunyuan15,
}


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
