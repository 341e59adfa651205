"""Build a tiny HunyuanVideo 1.5 with random weights."""

from __future__ import annotations

from typing import Any

from diffusers import (
    AutoencoderKLHunyuanVideo15,
    ClassifierFreeGuidance,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15ImageToVideoPipeline,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    ByT5Tokenizer,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
    Qwen2Tokenizer,
    SiglipImageProcessor,
    SiglipVisionConfig,
    SiglipVisionModel,
    T5Config,
    T5EncoderModel,
)

WIDTH = 32  # of all embeddings
PIXELS = 64  # the pipeline chooses sizes around this square
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}"
)


def build(image: bool = False) -> Any:
    """Build a HunyuanVideo 1.5: 4k+1 frames, sides that are multiples of 16.

    With `image` it continues a picture.
    """
    parts = {
        "tokenizer": _tokenizer(),
        "text_encoder": _text_encoder(),
        "tokenizer_2": ByT5Tokenizer(),
        "text_encoder_2": _glyph_encoder(),
        "transformer": _transformer(),
        "vae": AutoencoderKLHunyuanVideo15(
            latent_channels=4, block_out_channels=(8, 8, 8, 8, 8), layers_per_block=1
        ).eval(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=5.0),
        "guider": ClassifierFreeGuidance(guidance_scale=6.0),
    }
    if not image:
        return HunyuanVideo15Pipeline(**parts)
    return HunyuanVideo15ImageToVideoPipeline(
        **parts, image_encoder=_image_encoder(), feature_extractor=SiglipImageProcessor(size=_square())
    )


def _square() -> dict[str, int]:
    return {"height": 32, "width": 32}


def _tokenizer() -> Any:
    """Build a tokenizer of single bytes."""
    vocabulary = {character: index for index, character in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary | {"<|endoftext|>": len(vocabulary)}, merges=[])
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def _text_encoder() -> Any:
    # The pipeline takes the hidden states before the last two layers.
    return Qwen2_5_VLTextModel(
        Qwen2_5_VLTextConfig(
            vocab_size=300,
            hidden_size=WIDTH,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            rope_scaling={"type": "mrope", "mrope_section": [1, 1, 2]},
        )
    ).eval()


def _glyph_encoder() -> Any:
    config = T5Config(
        vocab_size=400, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=1, num_heads=4, decoder_start_token_id=0
    )
    return T5EncoderModel(config).eval()


def _image_encoder() -> Any:
    return SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=WIDTH, intermediate_size=37, num_hidden_layers=1, num_attention_heads=4, image_size=32
        )
    ).eval()


def _transformer() -> Any:
    return HunyuanVideo15Transformer3DModel(
        in_channels=4 * 2 + 1,  # the noise, the picture and its mask
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        num_refiner_layers=1,
        mlp_ratio=2.0,
        text_embed_dim=WIDTH,
        text_embed_2_dim=WIDTH,
        image_embed_dim=WIDTH,
        rope_axes_dim=(4, 6, 6),
        target_size=PIXELS,
    ).eval()
