"""Teach a trained model to continue a picture: `python -m training.continuing --out FOLDER`. It resumes.

In seven of ten clips the first frame is given without noise, and its colours in all frames, as at inference:
what moves keeps its colours. The model learns where the edges go. Captions of these clips leave out most of
what the picture shows. The others are trained as before, so that prompts without a picture work as before.
"""

import argparse
import random
import time
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import CogVideoXTransformer3DModel
from torch import Tensor

from training.evaluate import MODEL
from training.network.batch import Batch, Batches, choose_frames, choose_times, scenes_and_captions
from training.network.dials import dials
from training.network.latents import CHANNELS, LATENT_SIDE, encode
from training.network.pipeline import load_model, save_model
from training.network.text import embed, tokens
from training.scenes.captions import caption
from training.scenes.domain import DOMAINS, Scene, draw_scene
from training.train import CHECKPOINT_EVERY, Trainer, frames_at

GIVEN = 0.7  # share of clips whose first frame is given
SAID = 0.3  # how often a caption repeats what the picture shows
RATE = 6e-4
UNEVEN = 0.03  # deviation of what is read from a picture, against the layers it was drawn from


class PictureBatches(Batches):
    """Draws batches in which some clips begin with a given frame."""

    def draw(self, size: int, count: int) -> Batch:
        """Draw one batch: the clips with a given frame first, then those without."""
        given = round(size * GIVEN)
        drawn = [draw_scene(self.domain, self.rng) for _ in range(given)]
        others, prompts = scenes_and_captions(self.domain, size - given, self.rng)
        scenes = drawn + others
        prompts = [self._hint(scene) for scene in drawn] + prompts
        frames, time_ = choose_frames(size, count), choose_times(size)
        noise = torch.randn(size, count, CHANNELS, LATENT_SIDE, LATENT_SIDE)
        clean = encode(scenes, dials(noise), frames)
        noisy = self.scheduler.add_noise(clean, noise, time_)
        weight = self.weight(clean)
        first = self._as_read(clean[:given, 0], drawn)
        noisy[:given, :, :9] = first[:, None, :9]
        noisy[:given, 0] = first
        weight[:given, :, :9] = weight[:given, 0] = 0  # these are known
        text = embed(self.encoder, tokens(self.tokenizer, prompts))
        return Batch(noisy, clean, weight / weight.mean(), frames, text, time_)

    def _hint(self, scene: Scene) -> str:
        """Say how things move, and seldom what the picture shows anyway."""
        if self.rng.random() > SAID:
            things = tuple(replace(thing, size="any") for thing in scene.things)
            scene = replace(scene, things=things, background="black")
        names = {"motion", *(name for name in ("colour", "shape") if self.rng.random() < SAID)}
        if len(scene.things) > 1:
            names.add("colour")  # or nobody could tell which of them moves how
        return caption(scene, self.rng, frozenset(names))

    def _as_read(self, layers: Tensor, scenes: list[Scene]) -> Tensor:
        """Return layers as they are read from a picture: uneven, and two things in either order."""
        read = layers + UNEVEN * torch.randn(*layers.shape[:2], 1, 1)
        read[:, 9:] = (layers[:, 9:] + UNEVEN * torch.randn_like(layers[:, 9:])).clamp(-1, 1)
        for row, scene in enumerate(scenes):
            if len(scene.things) > 1 and self.rng.random() < 0.5:
                read[row] = read[row, [0, 1, 2, 6, 7, 8, 3, 4, 5, 10, 9]]
        return read


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and the finished model go here")
    parser.add_argument("--start", type=Path, default=MODEL, help="the trained model to begin with")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--domain", choices=DOMAINS, default="wider")
    parser.add_argument("--steps", type=int, default=1200)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    pipe = load_model(arguments.start)
    model: CogVideoXTransformer3DModel = pipe.transformer
    encoder = pipe.text_encoder.eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.0)
    trainer = Trainer(arguments.steps, arguments.out / "checkpoint.pt", model, [optimizer])
    torch.manual_seed(arguments.seed * 1_000_003 + trainer.step)
    domain = DOMAINS[arguments.domain]
    batches = PictureBatches(domain, pipe.tokenizer, encoder, random.Random(torch.initial_seed()))
    started = time.monotonic()
    while trainer.step < arguments.steps:
        loss, blind = trainer.advance(batches.draw(*frames_at(trainer.step, arguments.steps)))
        if trainer.step % 20 == 0:
            took = time.monotonic() - started
            print(f"{took:6.0f} s  step {trainer.step}: loss {loss:.4f}, from noise {blind:.4f}", flush=True)
        if trainer.step % CHECKPOINT_EVERY == 0 or trainer.step == arguments.steps:
            trainer.save()
            save_model(arguments.out / "model", domain, pipe.tokenizer, encoder, trainer.average)


if __name__ == "__main__":
    main()
