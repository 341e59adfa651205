"""The model in the box is whole, small, and loads and runs by the plain pipeline code."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import CogVideoXPipeline

from training.evaluate import DOMAIN, MODEL, generate
from training.network.pipeline import load_model
from training.scenes.domain import DOMAINS
from training.scenes.words import vocabulary

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / MODEL


@pytest.fixture(scope="module")
def pipe() -> CogVideoXPipeline:
    torch.set_num_threads(1)
    return load_model(FOLDER)


def test_the_folder_is_what_its_sums_say_and_small() -> None:
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    named = {line.split("  ")[1]: line.split("  ")[0] for line in lines}
    files = {p.relative_to(FOLDER).as_posix(): p for p in FOLDER.rglob("*") if p.is_file()}
    files.pop("SHA256SUMS")
    assert named == {name: hashlib.sha256(p.read_bytes()).hexdigest() for name, p in files.items()}
    assert sum(p.stat().st_size for p in files.values()) < 20_000_000


def test_the_vocabulary_is_the_one_trained_on(pipe: CogVideoXPipeline) -> None:
    shipped = json.loads((FOLDER / "vocabulary.json").read_text())
    assert shipped == vocabulary(DOMAINS[DOMAIN].meanings)
    known = {*shipped["known"], *shipped["ignored"]}
    assert known <= set(pipe.tokenizer.get_vocab()) - {"<pad>", "</s>", "<unk>"}


def test_one_seed_is_one_video_and_another_is_another(pipe: CogVideoXPipeline) -> None:
    prompt = "a red circle moving right"
    first, again, other = (generate(pipe, [prompt], [seed], steps=2)[0] for seed in (1, 1, 2))
    assert first.shape == (17, 64, 64, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_unknown_words_and_guidance_still_give_a_video(pipe: CogVideoXPipeline, guidance: float) -> None:
    (video,) = generate(pipe, ["Frobnicate the quux!"], [1], steps=1, guidance=guidance)
    assert video.shape == (17, 64, 64, 3)
