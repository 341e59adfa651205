"""Read a prompt with the tokenizer of a loaded model, to say what the model does not see of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from eventing.contract.prompts import Reading


def read_prompt(tokenizer: Callable[..., Any], prompt: str) -> Reading:
    """Return how a tokenizer of transformers reads a prompt. Only fast ones tell what they do not know."""
    encoded = tokenizer(prompt, truncation=False, verbose=False)
    encodings = getattr(encoded, "encodings", None)
    if not encodings:
        return Reading(len(encoded.input_ids))
    return Reading.of(prompt, encodings[0], getattr(tokenizer, "unk_token_id", None))
