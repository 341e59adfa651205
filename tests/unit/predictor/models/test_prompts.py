"""What a model will not see of a prompt is said, and only that."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from predictor.models.prompts import Vocabulary, prompt_warnings

WORDS = Vocabulary(known={"red": "red", "crimson": "red", "circle": "circle"}, ignored=("a", "the"))


def words(prompt: str, **_options: Any) -> Any:
    """A tokenizer that counts words."""
    return SimpleNamespace(input_ids=prompt.split())


@pytest.mark.parametrize("prompt", ["a red circle", "The CRIMSON circle!", "red, red", ""])
def test_known_words_need_no_warning(prompt: str) -> None:
    assert WORDS.warnings(prompt) == []


def test_each_unknown_word_is_named_once() -> None:
    assert WORDS.warnings("a purple Purple don't") == [
        "'purple' is not a word this model knows; it was ignored",
        "'don't' is not a word this model knows; it was ignored",
    ]


def test_a_novel_does_not_become_a_novel_of_warnings() -> None:
    warnings = WORDS.warnings(" ".join("x" * n for n in range(1, 31)))
    assert len(warnings) == 11
    assert warnings[-1] == "20 more words of the prompt are unknown"


@pytest.mark.parametrize(("limit", "expected"), [(3, 0), (2, 1)])
def test_a_prompt_past_the_limit_is_said_to_be_cut(limit: int, expected: int) -> None:
    assert len(prompt_warnings("one two three", limit, words, None)) == expected
