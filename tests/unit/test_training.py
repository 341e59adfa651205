"""What training relies on: its own forward pass is the model's, and the parts survive saving and loading."""

from pathlib import Path

import torch
from transformers import AutoTokenizer

from training.batch import choose_frames
from training.dials import dials
from training.domain import FRAMES, SIDE
from training.latents import build_autoencoder
from training.text import MAX_WORDS, WIDTH, build_tokenizer
from training.transformer import Trainee, build_transformer, to_patches


@torch.no_grad()
def test_training_computes_what_the_pipeline_will() -> None:
    model = build_transformer(heads=2, layers=1)
    video, text = torch.randn(1, FRAMES, 3, SIDE, SIDE), torch.randn(1, MAX_WORDS, WIDTH)
    time, frames = torch.tensor([999]), torch.arange(FRAMES)[None]
    plain = model(video, text, time, return_dict=False)[0]
    torch.testing.assert_close(
        Trainee(model)(to_patches(video), frames, text, time), to_patches(plain), atol=1e-4, rtol=0
    )


@torch.no_grad()
def test_the_decoder_gives_the_latents_back() -> None:
    latents = torch.rand(1, 3, FRAMES, 16, 16) * 2 - 1
    torch.testing.assert_close(build_autoencoder(16).decode(latents).sample, latents, atol=1e-5, rtol=0)


def test_dials_are_even_and_read_the_first_frame_only() -> None:
    noise = torch.randn(400, 2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
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
