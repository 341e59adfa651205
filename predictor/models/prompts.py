"""What a model cannot take from a prompt: words it does not know and text past its limit, as warnings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from eventing.contract.errors import ModelUnavailable
from eventing.contract.models import Frozen
from eventing.contract.validation import first_problem
from predictor.models.weights import read_json

WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
SHOWN = 10  # unknown words named one by one; a novel would make a novel of warnings


class Vocabulary(Frozen):
    """`vocabulary.json` beside the weights of a model with few words.

    `known` maps each word it learnt to the form it was taught; `ignored` lists words that mean nothing to it
    and need no warning, such as articles. All in lower case.
    """

    known: dict[str, str]
    ignored: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The folder's vocabulary, or None if it has none. Raises ModelUnavailable naming the file."""
        path = folder / "vocabulary.json"
        if not path.is_file():
            return None
        try:
            return cls.model_validate(read_json(path))
        except ValidationError as error:
            problem = first_problem(error).sentence("the file")
            raise ModelUnavailable(f"{path} is not a vocabulary: {problem}") from error

    def warnings(self, prompt: str) -> list[str]:
        """One warning for every distinct word of the prompt that the model does not know."""
        words = dict.fromkeys(WORD.findall(prompt.lower()))
        unknown = [word for word in words if word not in self.known and word not in self.ignored]
        named = [f"'{word}' is not a word this model knows; it was ignored" for word in unknown[:SHOWN]]
        more = len(unknown) - SHOWN
        return [*named, f"{more} more words of the prompt are unknown"] if more > 0 else named


def prompt_warnings(
    prompt: str, limit: int, tokenizer: Callable[..., Any], vocabulary: Vocabulary | None
) -> tuple[str, ...]:
    """Everything of a prompt that the model will not see. `limit` is in tokens."""
    tokens = len(tokenizer(prompt, truncation=False, verbose=False).input_ids)
    cut = [f"the prompt has {tokens} tokens; this model reads the first {limit}"] if tokens > limit else []
    return (*cut, *(vocabulary.warnings(prompt) if vocabulary else ()))
