"""Warn about what a model ignores in a prompt: unknown words, and text past its token limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from eventing.contract.errors import ModelUnavailable
from eventing.contract.models import Frozen
from eventing.contract.validation import first_problem
from eventing.contract.weights import read_json

WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
SHOWN = 10  # unknown words named one by one; more are only counted


class Vocabulary(Frozen):
    """`vocabulary.json` beside the weights of a model with few words.

    `known` maps each word to the form used in training. `ignored` lists words without a meaning that need no
    warning, such as articles. All are in lower case.
    """

    known: dict[str, str]
    ignored: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read the vocabulary of a folder; None if it has none. Raises ModelUnavailable naming the file."""
        path = folder / "vocabulary.json"
        if not path.is_file():
            return None
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            problem = first_problem(error).sentence("the file")
            raise ModelUnavailable(f"{path} is not a vocabulary: {problem}") from error

    def warnings(self, prompt: str) -> list[str]:
        """Return one warning for each distinct word of the prompt that is not in the vocabulary."""
        words = dict.fromkeys(WORD.findall(prompt.lower()))
        unknown = [word for word in words if word not in self.known and word not in self.ignored]
        warnings = [f"'{word}' is not a word this model knows; it was ignored" for word in unknown[:SHOWN]]
        more = len(unknown) - SHOWN
        return [*warnings, f"{more} more words of the prompt are unknown"] if more > 0 else warnings


def prompt_warnings(
    prompt: str, limit: int, tokenizer: Callable[..., Any], vocabulary: Vocabulary | None
) -> tuple[str, ...]:
    """Return warnings about everything in a prompt that the model ignores. `limit` is in tokens."""
    tokens = len(tokenizer(prompt, truncation=False, verbose=False).input_ids)
    excess = [f"the prompt has {tokens} tokens; this model reads the first {limit}"] if tokens > limit else []
    return (*excess, *(vocabulary.warnings(prompt) if vocabulary else ()))
