"""The models of bench.gpu: true configurations with random weights, and tiny ones for machines without a GPU.

The repositories are not read: their configurations are written down here. Each class is built with the
numbers below and otherwise with the defaults of diffusers, which are those of the first model of a class.
Sources: `wan/configs/wan_ti2v_5B.py` and `wan_t2v_1_3B.py` of Wan-Video; for the VAE of Wan 2.2
`vae/config.json` of Wan2.2-TI2V-5B-Diffusers, without the means and deviations of its latents;
`scripts/convert_cogvideox_to_diffusers.py` and `convert_ltx_to_diffusers.py` of diffusers; google/t5-v1_1-xxl
and google/umt5-xxl. The tokenizer has single characters: prompts are padded anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import diffusers
import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXVideoTransformer3DModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)
from transformers import T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

from eventing.contract.catalog import CatalogEntry, Task, load_catalog
from predictor.models import tiny
from predictor.models.families import find_family
from predictor.models.pipelines.loading import folder
from predictor.models.tiny_parts import tokenizer

XXL = {
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}
T5 = T5Config(vocab_size=32128, **XXL)
UMT5 = UMT5Config(vocab_size=256384, **XXL)
WAN_1_3B = {"num_layers": 30, "num_attention_heads": 12, "ffn_dim": 8960}
WAN_5B = {
    "num_layers": 30,
    "num_attention_heads": 24,
    "ffn_dim": 14336,
    "in_channels": 48,
    "out_channels": 48,
}
WAN_VAE_2_2 = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
}
FLOW = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "num_train_timesteps": 1000}
COGVIDEOX_STEPS = {
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}
LTX_VAE_0_9_5 = {
    "block_out_channels": (128, 256, 512, 1024, 2048),
    "down_block_types": ("LTXVideo095DownBlock3D",) * 4,
    "decoder_block_out_channels": (256, 512, 1024),
    "layers_per_block": (4, 6, 6, 2, 2),
    "decoder_layers_per_block": (5, 5, 5, 5),
    "spatio_temporal_scaling": (True,) * 4,
    "decoder_spatio_temporal_scaling": (True,) * 3,
    "decoder_inject_noise": (False,) * 4,
    "downsample_type": ("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
    "upsample_residual": (True,) * 3,
    "upsample_factor": (2,) * 3,
    "timestep_conditioning": True,
    "spatial_compression_ratio": 32,
    "temporal_compression_ratio": 8,
}
Make = Callable[..., Any]  # (class, configuration, options) -> the part, in its precision on the device


@dataclass(frozen=True)
class Model:
    """A model of the catalog, and how it is built true and tiny."""

    name: str
    true: Callable[[Make], Any]
    tiny: Callable[[], Any]

    def entry(self, on_card: bool) -> CatalogEntry:
        """Return the catalog's entry; without a card one of the smallest video, in fp32."""
        entry = load_catalog().get(self.name)
        frames = entry.frames.model_copy(update={"default": entry.frames.min})
        small = {"dtype": "float32", "dtypes": {}, "sizes": ((64, 64),), "frames": frames}
        return entry if on_card else entry.model_copy(update=small)

    def pipe(self, device: str) -> Any:
        """Build the pipeline of diffusers with random weights, as the catalog's entry sets it."""
        on_card = device != "cpu"
        entry = self.entry(on_card)
        pipe = self.true(_maker(entry, device)) if on_card else _with_two_blocks(self.tiny())
        if entry.vae_tiling:
            pipe.vae.enable_tiling()
        pipe.scheduler = folder.shifted(pipe.scheduler, entry.flow_shift, entry.name)
        return folder.around(getattr(diffusers, entry.tasks.pipelines()[Task.text]), pipe)

    def pipeline(self, device: str) -> Any:
        """Build the predictor's pipeline around it."""
        entry, pipe = self.entry(device != "cpu"), self.pipe(device)
        pipe.to(device)
        return find_family(entry, {})({Task.text: pipe}, entry, device)


def _with_two_blocks(pipe: Any) -> Any:
    """Give a tiny pipeline the second block that a step cache needs."""
    transformer = pipe.transformer
    pipe.register_modules(transformer=type(transformer).from_config(transformer.config, num_layers=2))
    return pipe


def _maker(entry: CatalogEntry, device: str) -> Make:
    def make(kind: type[Any], *config: Any, part: str = "", **options: Any) -> Any:
        dtype = getattr(torch, entry.dtypes.get(part, entry.dtype))
        torch.set_default_dtype(dtype)
        try:
            with torch.device(device):
                model = kind(*config, **options).eval()
        finally:
            torch.set_default_dtype(torch.float32)
        _set_precision(model, dtype)
        return model

    return make


def _set_precision(model: Any, dtype: torch.dtype) -> None:
    """Put each parameter into the precision that `from_pretrained` gives it."""
    exact = set(getattr(model, "_keep_in_fp32_modules", None) or ())
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data.to(torch.float32 if exact.intersection(name.split(".")) else dtype)


def _wan(make: Make, transformer: dict[str, Any], vae: dict[str, Any], **options: Any) -> Any:
    return WanPipeline(
        tokenizer=tokenizer(),
        text_encoder=make(UMT5EncoderModel, UMT5),
        transformer=make(WanTransformer3DModel, **transformer),
        vae=make(AutoencoderKLWan, part="vae", **vae),
        scheduler=UniPCMultistepScheduler(**FLOW),
        **options,
    )


def _cogvideox(make: Make) -> Any:
    return CogVideoXPipeline(
        tokenizer=tokenizer(),
        text_encoder=make(T5EncoderModel, T5),
        transformer=make(CogVideoXTransformer3DModel),
        vae=make(AutoencoderKLCogVideoX, part="vae"),
        scheduler=CogVideoXDDIMScheduler(**COGVIDEOX_STEPS),
    )


def _ltx(make: Make) -> Any:
    return LTXConditionPipeline(
        tokenizer=tokenizer(),
        text_encoder=make(T5EncoderModel, T5),
        transformer=make(LTXVideoTransformer3DModel),
        vae=make(AutoencoderKLLTXVideo, part="vae", **LTX_VAE_0_9_5),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )


MODELS = (
    Model("cogvideox-2b", _cogvideox, tiny.cogvideox),
    Model("wan2.1-t2v-1.3b", lambda make: _wan(make, WAN_1_3B, {}), tiny.wan),
    Model(
        "wan2.2-ti2v-5b",
        lambda make: _wan(make, WAN_5B, WAN_VAE_2_2, expand_timesteps=True),
        lambda: tiny.wan(small=True),
    ),
    Model("ltx-video", _ltx, tiny.ltx),
)
