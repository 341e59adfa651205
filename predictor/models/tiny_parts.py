"""Build what tiny pipelines share: a tokenizer of single characters and a text encoder of one layer."""

from __future__ import annotations

import string
from typing import Any

from transformers import T5Config, T5EncoderModel, T5TokenizerFast

WIDTH = 32  # of text embeddings
TOKENS = 16  # the most that a prompt has


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
