"""Build a tiny LTX-2 with random weights: video and its sound."""

from __future__ import annotations

from typing import Any

from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    FlowMatchEulerDiscreteScheduler,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2VocoderWithBWE
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

from predictor.models.tiny_parts import WIDTH, tokenizer

LAYERS = 1  # of the text encoder
CHANNELS = 4  # of latents
MEL_BINS = 8
RATE, WIDE_RATE = 16_000, 48_000  # samples per second of the sound, before and after it gets its high tones


def build() -> Any:
    """Build an LTX-2: 4k+1 frames, sides that are multiples of 32."""
    vae = AutoencoderKLLTX2Video(
        latent_channels=CHANNELS,
        block_out_channels=(8, 8),
        down_block_types=("LTX2VideoDownBlock3D",) * 2,
        decoder_block_out_channels=(8, 8),
        layers_per_block=(1, 1, 1),
        decoder_layers_per_block=(1, 1, 1),
        spatio_temporal_scaling=(True, True),
        decoder_spatio_temporal_scaling=(True, True),
        decoder_inject_noise=(False, False, False),
        downsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_type=("spatiotemporal", "spatiotemporal"),
        upsample_residual=(False, False),
        upsample_factor=(1, 1),
        patch_size=1,
        patch_size_t=1,
        decoder_causal=False,
        spatial_compression_ratio=4,
        temporal_compression_ratio=4,
    )
    return LTX2Pipeline(
        tokenizer=tokenizer(),
        text_encoder=_text_encoder(),
        connectors=_connectors(),
        transformer=_transformer(),
        vae=vae.eval(),
        audio_vae=_audio_vae(),
        vocoder=_vocoder(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    )


def _text_encoder() -> Any:
    text = {
        "vocab_size": len(tokenizer()),
        "hidden_size": WIDTH,
        "intermediate_size": 37,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    return Gemma3ForConditionalGeneration(config).eval()


def _connectors() -> Any:
    return LTX2TextConnectors(
        caption_channels=WIDTH,
        text_proj_in_factor=LAYERS + 1,
        video_connector_num_attention_heads=4,
        video_connector_attention_head_dim=8,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=4,
        audio_connector_attention_head_dim=8,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=32,
        rope_double_precision=False,
        rope_type="split",
    ).eval()


def _transformer() -> Any:
    return LTX2VideoTransformer3DModel(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        vae_scale_factors=(4, 4, 4),
        audio_in_channels=CHANNELS,
        audio_out_channels=CHANNELS,
        audio_num_attention_heads=2,
        audio_attention_head_dim=4,
        audio_cross_attention_dim=8,
        num_layers=2,
        caption_channels=WIDTH,
        rope_double_precision=False,
        rope_type="split",
    ).eval()


def _audio_vae() -> Any:
    return AutoencoderKLLTX2Audio(
        base_channels=4,
        ch_mult=(1,),
        num_res_blocks=1,
        resolution=32,
        latent_channels=2,
        sample_rate=RATE,
        mel_bins=MEL_BINS,
    ).eval()


def _vocoder() -> Any:
    return LTX2VocoderWithBWE(
        in_channels=2 * MEL_BINS,
        hidden_channels=16,
        upsample_kernel_sizes=[32, 20],
        upsample_factors=[16, 10],  # 160 samples for each column of the spectrogram
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
        bwe_in_channels=2 * MEL_BINS,
        bwe_hidden_channels=16,
        bwe_upsample_kernel_sizes=[40, 24],
        bwe_upsample_factors=[20, 12],  # 80 samples, at three times the rate
        bwe_resnet_kernel_sizes=[3],
        bwe_resnet_dilations=[[1, 3, 5]],
        filter_length=64,
        window_length=64,
        num_mel_channels=MEL_BINS,
        input_sampling_rate=RATE,
        output_sampling_rate=WIDE_RATE,
    ).eval()
