"""Measure prompts with two things, such as "a red circle moving right and a blue square moving up".

`python -m training.pairs` prints the shares of right things. A thing is recognised by its colour, so every
prompt has two colours. Where one thing hides the other, shape and motion are harder to recognise. The table
therefore also has the figures of rendered clips, by the same checker.
"""

import argparse
import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from training.evaluate import MODEL, STEPS, TOGETHER, generate
from training.network.pipeline import load_model
from training.scenes.captions import caption
from training.scenes.checker import Attributes, Frames, largest, motion_of, parse, shape_of
from training.scenes.domain import DOMAINS, PALETTE, Scene, draw_scene
from training.scenes.render import render, to_uint8

PAIRS = replace(DOMAINS["wide"], pairs=1.0)


@dataclass(frozen=True)
class Seen:
    """The result for one thing of a prompt."""

    colour: bool
    motion: bool
    shape: bool

    @property
    def ok(self) -> bool:
        """Whether all of it is there."""
        return self.colour and self.motion and self.shape


def parse_pair(prompt: str) -> tuple[Attributes, Attributes]:
    """Read both halves of a prompt."""
    first, _, second = prompt.partition(" and ")
    return parse(first), parse(second)


def check_pair(frames: Frames, wanted: tuple[Attributes, Attributes], background: str) -> list[Seen]:
    """Check each thing among the pixels that are nearest to its colour."""
    names = [background, *(str(thing.colour) for thing in wanted)]
    palette = np.array([PALETTE[name] for name in names], dtype=np.float32)
    nearest = np.linalg.norm(frames[..., None, :].astype(np.float32) - palette, axis=-1).argmin(-1)
    return [_seen(nearest == i + 1, thing) for i, thing in enumerate(wanted)]


def _seen(pixels: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], thing: Attributes) -> Seen:
    masks = [largest(frame) for frame in pixels]
    if any(mask.sum() < 20 for mask in masks):
        return Seen(sum(mask.sum() >= 20 for mask in masks) > len(masks) // 2, False, False)
    return Seen(True, thing.motion in (None, motion_of(masks)), thing.shape in (None, shape_of(masks)))


def scenes(count: int, seed: int) -> list[Scene]:
    """Draw scenes of two colours whose things training never showed."""
    rng, result = random.Random(seed), list[Scene]()
    while len(result) < count:
        scene = draw_scene(PAIRS, rng, unseen=True)
        if scene.things[0].colour != scene.things[1].colour:
            result.append(scene)
    return result


def shares(results: list[list[Seen]]) -> str:
    """Return a table row in percent: colour, motion, shape, one thing right, both things right."""
    things = [seen for pair in results for seen in pair]
    parts = [
        np.mean([getattr(seen, name) for seen in things]) for name in ("colour", "motion", "shape", "ok")
    ]
    parts.append(np.mean([all(seen.ok for seen in pair) for pair in results]))
    return " | ".join(f"{100 * part:.1f} %" for part in parts)


def main() -> None:
    """Read the arguments, judge rendered clips, then the model's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2027)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    drawn, rng = scenes(arguments.prompts, arguments.seed), random.Random(arguments.seed)
    prompts = [caption(scene, rng) for scene in drawn]
    wanted = [parse_pair(prompt) for prompt in prompts]
    pipe, clips = load_model(arguments.model), list[Frames]()
    for start in range(0, len(prompts), TOGETHER):
        part = prompts[start : start + TOGETHER]
        clips += generate(pipe, part, list(range(start, start + len(part))), STEPS)
    ideal = [to_uint8(render([scene], torch.rand(1, 6)))[0].numpy() for scene in drawn]
    print("| clips | colour | motion | shape | a thing | both things |\n|---|---|---|---|---|---|")
    for name, videos in (("rendered", ideal), ("generated", clips)):
        checked = [
            check_pair(clip, pair, scene.background)
            for clip, pair, scene in zip(videos, wanted, drawn, strict=True)
        ]
        print(f"| {len(videos)} {name} | {shares(checked)} |", flush=True)


if __name__ == "__main__":
    main()
