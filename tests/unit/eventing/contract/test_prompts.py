"""What a model will not see of a prompt is said, and only that; at submission as with the result."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import AutoTokenizer

from eventing import prompts
from eventing.contract.catalog import load_catalog
from eventing.contract.prompts import Reading, Vocabulary, prompt_warnings
from eventing.contract.records.models import VideoRequest
from eventing.prompts import TOKENIZER_LIMIT, Prompts
from predictor.models.loading import ASSETS
from predictor.models.prompts import read_prompt

WORDS = Vocabulary(known={"red": "red", "crimson": "red", "circle": "circle"}, ignored=("a", "the"))


@pytest.mark.parametrize("prompt", ["a red circle", "The CRIMSON circle!", "red, red", ""])
def test_known_words_need_no_warning(prompt: str) -> None:
    assert WORDS.warnings(prompt) == []


def test_each_unknown_word_is_named_once() -> None:
    assert WORDS.warnings("a purple Purple don't") == [
        "'purple' is not a word this model knows; it has no effect",
        "'don't' is not a word this model knows; it has no effect",
    ]


def test_a_novel_does_not_become_a_novel_of_warnings() -> None:
    warnings = WORDS.warnings(" ".join("x" * n for n in range(1, 31)))
    assert len(warnings) == 11
    assert warnings[-1] == "20 more words of the prompt are unknown"


@pytest.mark.parametrize(("limit", "expected"), [(3, 0), (2, 1)])
def test_a_prompt_past_the_limit_is_said_to_be_cut(limit: int, expected: int) -> None:
    assert len(prompt_warnings("one two three", limit, Reading(3), None)) == expected


def test_what_the_tokenizer_does_not_know_is_named_once() -> None:
    encoding = SimpleNamespace(ids=[5, 2, 2, 2, 1], offsets=[(0, 3), (4, 5), (6, 7), (8, 9), (0, 0)])
    reading = Reading.of("red ☃ 猫 ☃", encoding, 2)
    assert reading == Reading(5, ("☃", "猫"))
    (warning,) = prompt_warnings("red ☃ 猫 ☃", 24, reading, None)
    assert warning == "the model's tokenizer does not know '☃', '猫'; it has no effect"
    assert Reading.of("red", SimpleNamespace(ids=[5], offsets=[(0, 3)]), None) == Reading(1)


@pytest.mark.parametrize("prompt", ["a red circle", "a mauve dodo " * 9, "rot ☃ 猫 2 don't"])
def test_eventing_and_the_predictor_warn_alike_of_the_model_in_the_box(prompt: str) -> None:
    entry = load_catalog().get("shapes-tiny")
    folder = ASSETS / "shapes-tiny"
    reading = read_prompt(AutoTokenizer.from_pretrained(folder / "tokenizer"), prompt)
    late = prompt_warnings(prompt, entry.max_prompt_tokens, reading, Vocabulary.read(folder))
    soon = Prompts(load_catalog()).warnings(entry.resolve(VideoRequest(prompt=prompt)))
    assert soon == late
    assert bool(soon) is (prompt != "a red circle")


def test_a_tokenizer_beside_the_weights_counts_exactly_and_names_what_it_does_not_know(
    tmp_path: Path,
) -> None:
    entry = load_catalog().get("cogvideox-2b")
    shutil.copytree(ASSETS / "shapes-tiny" / "tokenizer", tmp_path / "tokenizer")
    reading = read_prompt(AutoTokenizer.from_pretrained(tmp_path / "tokenizer"), "red mauve " * 150)
    checked = Prompts(load_catalog())
    checked.learn({entry.name: tmp_path})
    late = prompt_warnings("red mauve " * 150, entry.max_prompt_tokens, reading, None)
    assert checked.warnings(entry.resolve(VideoRequest(prompt="red mauve " * 150))) == late
    assert "tokens; this model reads the first 226" in late[0] and "does not know 'mauve'" in late[1]


@pytest.mark.parametrize("content", ["", "{}", "x" * (TOKENIZER_LIMIT + 1)])
def test_a_tokenizer_that_cannot_be_used_here_leaves_the_rule_of_thumb(tmp_path: Path, content: str) -> None:
    entry = load_catalog().get("cogvideox-2b")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.json").write_text(content)
    checked = Prompts(load_catalog())
    checked.learn({entry.name: tmp_path})
    (warning,) = checked.warnings(entry.resolve(VideoRequest(prompt="red " * 300)))
    assert "about 400 tokens, by a rule of thumb" in warning


@pytest.mark.parametrize(("away", "count"), [("tokenizers", 2), ("predictor", 1)])
def test_without_the_tokenizer_or_the_model_here_less_is_said(
    away: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container of eventing alone; the predictor says the rest with the result."""
    monkeypatch.setattr("eventing.prompts.find_spec", lambda name: None if name == away else find_spec(name))
    prompts._bundled.cache_clear()
    try:
        entry = load_catalog().get("shapes-tiny")
        spec = entry.resolve(VideoRequest(prompt="a mauve dot " * 13))
        assert len(Prompts(load_catalog()).warnings(spec)) == count
    finally:
        prompts._bundled.cache_clear()
