"""Draw batches for the transformer: scenes, captions, noise, and the clean clips to predict."""

import random
from dataclasses import dataclass

import torch
from diffusers import CogVideoXDDIMScheduler
from torch import Tensor
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from training.network.dials import dials
from training.network.latents import CHANNELS, LATENT_SIDE, encode
from training.network.text import embed, tokens
from training.scenes.captions import nothing_said, training_pair
from training.scenes.domain import FRAMES, Domain, Scene, draw_scene

SILENT = 0.02  # share of captions that name nothing, which means every default
LAST = 999
EDGE_WEIGHT = 6.0  # weight of the error of a distance near an edge; 1 elsewhere
NEAR = 0.3


@dataclass(frozen=True)
class Batch:
    """One batch: latents (batch, frames, 11, 32, 32) of the given frames, with and without noise."""

    noisy: Tensor
    clean: Tensor
    weight: Tensor
    frames: Tensor
    text: Tensor
    time: Tensor


def build_scheduler() -> CogVideoXDDIMScheduler:
    """Build the sampler. The model predicts the clean clip; its first step sees only noise."""
    return CogVideoXDDIMScheduler(
        prediction_type="sample",
        rescale_betas_zero_snr=True,
        snr_shift_scale=3.0,
        timestep_spacing="trailing",
        clip_sample=False,
    )


def choose_frames(size: int, count: int) -> Tensor:
    """Choose the first frame, which holds the dials, and random others, in ascending order."""
    others = torch.rand(size, FRAMES - 1).argsort(-1)[:, : count - 1] + 1
    return torch.cat([torch.zeros(size, 1, dtype=torch.long), others.sort(-1).values], dim=1)


def choose_times(size: int) -> Tensor:
    """Choose noise levels: pure noise half of the time, because that step decides the clip."""
    return torch.where(torch.rand(size) < 0.5, LAST, torch.randint(0, LAST + 1, (size,)))


def scenes_and_captions(domain: Domain, size: int, rng: random.Random) -> tuple[list[Scene], list[str]]:
    """Draw scenes from the combinations for training, with captions."""
    pairs = [
        nothing_said(rng) if rng.random() < SILENT else training_pair(draw_scene(domain, rng), rng)
        for _ in range(size)
    ]
    return [scene for scene, _ in pairs], [prompt for _, prompt in pairs]


class Batches:
    """Draws batches without end."""

    def __init__(
        self, domain: Domain, tokenizer: PreTrainedTokenizerFast, encoder: T5EncoderModel, rng: random.Random
    ) -> None:
        self.domain, self.tokenizer, self.encoder, self.rng = domain, tokenizer, encoder, rng
        self.scheduler = build_scheduler()

    def draw(self, size: int, count: int) -> Batch:
        """Draw one batch of clips with count frames each."""
        scenes, prompts = scenes_and_captions(self.domain, size, self.rng)
        frames, time = choose_frames(size, count), choose_times(size)
        noise = torch.randn(size, count, CHANNELS, LATENT_SIDE, LATENT_SIDE)
        clean = encode(scenes, dials(noise), frames)
        noisy = self.scheduler.add_noise(clean, noise, time)
        weight = self.weight(clean)
        text = embed(self.encoder, tokens(self.tokenizer, prompts))
        return Batch(noisy, clean, weight / weight.mean(), frames, text, time)

    def weight(self, clean: Tensor) -> Tensor:
        """Return the weight of each latent's error: distances near an edge count more."""
        weight = torch.ones_like(clean)
        weight[:, :, 9:] += EDGE_WEIGHT * (clean[:, :, 9:].abs() < NEAR)
        return weight
