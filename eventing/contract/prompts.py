"""Say what a model does not read of a prompt: unknown words or characters, and text past its limit.

eventing says it at submission, by the files of the model's tokenizer where they are here, else by a rule of
thumb. The predictor says it with the result, for every model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from pydantic import ValidationError

from eventing.contract.codecs.validation import first_problem
from eventing.contract.errors import ModelUnavailable
from eventing.contract.records.models import Frozen
from eventing.contract.storage.weights import read_json

WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
# Letters of scripts that put no space between words: Chinese, Japanese.
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
# Tokens of a word and of such a letter, on the average: a rule of thumb for the tokenizers of today.
TOKENS_OF_WORD, TOKENS_OF_LETTER = 4 / 3, 2 / 3
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

    def unknown(self, prompt: str) -> list[str]:
        """Return the distinct words of a prompt that are not in the vocabulary, in lower case."""
        words = dict.fromkeys(WORD.findall(prompt.lower()))
        return [word for word in words if word not in self.known and word not in self.ignored]

    def warnings(self, prompt: str) -> list[str]:
        """Return one warning for each distinct word of the prompt that is not in the vocabulary."""
        unknown = self.unknown(prompt)
        warnings = [f"'{word}' is not a word this model knows; it has no effect" for word in unknown[:SHOWN]]
        more = len(unknown) - SHOWN
        return [*warnings, f"{more} more words of the prompt are unknown"] if more > 0 else warnings


class Encoding(Protocol):
    """A prompt as the tokenizers library encodes it."""

    ids: list[int]
    offsets: list[tuple[int, int]]  # of each token in the prompt


@dataclass(frozen=True)
class Reading:
    """How a tokenizer reads a prompt: its number of tokens, and the parts that it has no token for."""

    tokens: int
    unknown: tuple[str, ...] = ()

    @classmethod
    def of(cls, prompt: str, encoding: Encoding, unknown_id: int | None) -> Self:
        """Return the reading of an encoded prompt. `unknown_id` is the token for what has none of its own."""
        pairs = zip(encoding.ids, encoding.offsets, strict=True)
        parts = (prompt[start:end].strip() for token, (start, end) in pairs if token == unknown_id)
        return cls(len(encoding.ids), tuple(dict.fromkeys(filter(None, parts))))


def prompt_warnings(
    prompt: str, limit: int, reading: Reading | None, vocabulary: Vocabulary | None
) -> tuple[str, ...]:
    """Return warnings about everything in a prompt that the model does not read. `limit` is in tokens.

    `reading` is None where the tokenizer is not at hand. A vocabulary knows the words better than it.
    """
    excess = _excess(reading.tokens, limit) if reading else _probable_excess(prompt, limit)
    if vocabulary:
        return (*excess, *vocabulary.warnings(prompt))
    return (*excess, *_unknown(reading.unknown if reading else ()))


def _excess(tokens: int, limit: int) -> list[str]:
    if tokens <= limit:
        return []
    return [f"the prompt has {tokens} tokens; this model reads the first {limit}"]


def _probable_excess(prompt: str, limit: int) -> list[str]:
    """Return a warning if a prompt is past the limit by the rule of thumb."""
    letters = len(UNSPACED.findall(prompt))
    words = len(UNSPACED.sub(" ", prompt).split())
    tokens = round(words * TOKENS_OF_WORD + letters * TOKENS_OF_LETTER)
    if tokens <= limit:
        return []
    return [f"the prompt has about {tokens} tokens, by a rule of thumb; this model reads the first {limit}"]


def _unknown(parts: Iterable[str]) -> list[str]:
    shown = [f"'{part[:40]}'" for part in parts]
    if not shown:
        return []
    more = f" and {len(shown) - SHOWN} more parts of the prompt" if len(shown) > SHOWN else ""
    return [f"the model's tokenizer does not know {', '.join(shown[:SHOWN])}{more}; it has no effect"]
