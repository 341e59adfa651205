"""What training relies on: its own forward pass is the model's, and the parts survive saving and loading."""

import random
from itertools import compress
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from training.network.batch import choose_frames, scenes_and_captions
from training.network.dials import dials
from training.network.latents import CHANNELS, LATENT_SIDE, build_autoencoder, encode
from training.network.text import MAX_WORDS, WIDTH, build_tokenizer
from training.network.transformer import Trainee, build_transformer, to_patches
from training.scenes.domain import FRAMES, WIDE, Scene, Thing, held_out
from training.scenes.render import render


@torch.no_grad()
def test_training_computes_what_the_pipeline_will() -> None:
    model = build_transformer(heads=2, layers=1)
    video, text = torch.randn(1, FRAMES, CHANNELS, LATENT_SIDE, LATENT_SIDE), torch.randn(1, MAX_WORDS, WIDTH)
    time, frames = torch.tensor([999]), torch.arange(FRAMES)[None]
    plain = model(video, text, time, return_dict=False)[0]
    torch.testing.assert_close(
        Trainee(model)(to_patches(video), frames, text, time), to_patches(plain), atol=1e-4, rtol=0
    )


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 5, FRAMES])
def test_the_decoder_draws_the_layers(frames: int) -> None:
    behind, front = Thing("green", "square", "growing"), Thing("orange", "star", "left", "large")
    scenes = [Scene((front,), "gray"), Scene((behind, front), "white")]
    dials = torch.tensor([[0.2, 0.9, 0.5] * 2, [0.6, 0.4, 0.9] * 2])
    latents = encode(scenes, dials)[:, :frames].transpose(1, 2)
    drawn = build_autoencoder().half().float().decode(latents).sample.transpose(1, 2)
    ideal = render(scenes, dials)[:, :frames]
    assert (drawn - ideal).abs().amax(2).quantile(0.93) < 0.01  # all but the edges
    assert (drawn - ideal).abs().mean() < 0.015
    assert drawn.abs().max() < 1.01


def test_dials_are_even_and_read_the_first_frame_only() -> None:
    noise = torch.randn(
        400, 2, CHANNELS, LATENT_SIDE, LATENT_SIDE, generator=torch.Generator().manual_seed(0)
    )
    values = dials(noise)
    assert values.shape == (400, 6)
    assert (values.mean(0) - 0.5).abs().max() < 0.06
    assert torch.corrcoef(values.T).fill_diagonal_(0).abs().max() < 0.2
    noise[:, 1] = 0
    torch.testing.assert_close(dials(noise), values)


def test_chosen_frames_begin_with_the_first() -> None:
    frames = choose_frames(5, 4)
    assert (frames[:, 0] == 0).all()
    assert (frames.diff(dim=1) > 0).all()


def test_capitals_and_punctuation_survive_saving(tmp_path: Path) -> None:
    build_tokenizer().save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded("A RED, circle!").input_ids == loaded("a red circle").input_ids
    assert loaded.unk_token_id not in loaded("A RED, circle!").input_ids
    assert loaded("frobnicate").input_ids == [loaded.unk_token_id, loaded.eos_token_id]


def test_no_combination_that_is_held_out_is_ever_trained_on() -> None:
    scenes, prompts = scenes_and_captions(WIDE, 3000, random.Random(0))
    assert not any(held_out(thing) for scene in scenes for thing in scene.things)
    assert all(thing.colour != scene.background for scene in scenes for thing in scene.things)
    wordless = [not prompt.replace("zzz", "").strip() for prompt in prompts]
    assert set(compress(scenes, wordless)) == {
        Scene((Thing("white", "circle", "right"),), "black")
    }  # no words, one meaning
