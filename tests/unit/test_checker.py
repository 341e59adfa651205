"""The checker takes rendered clips with their captions, also after H.264, and refuses wrong captions."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from training.pairs import check_pair, parse_pair
from training.scenes.captions import caption
from training.scenes.checker import Attributes, check, parse
from training.scenes.domain import SHAPES, WIDE, Scene, Thing, draw_scene
from training.scenes.render import render, to_uint8
from training.validate import rendered, through_h264, wrong


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("a red circle moving right", ("red", "right", "circle", "black")),
        ("A Crimson BALL, rising!", ("red", "up", "circle", "black")),
        ("on a grey backdrop a huge box is getting smaller", (None, "shrinking", "square", "gray")),
        ("a gold star goes from the right to the left", ("yellow", "left", "star", "black")),
        ("a happy red circle moving right in the park", ("red", "right", "circle", "black")),
        ("hello world", (None, None, None, "black")),
    ],
)
def test_a_prompt_is_read(prompt: str, wanted: tuple[str | None, ...]) -> None:
    assert parse(prompt) == Attributes(*wanted)


def test_captions_are_read_as_they_were_meant() -> None:
    rng = random.Random(1)
    for _ in range(500):
        scene = draw_scene(WIDE, rng)
        thing, words = scene.things[0], caption(scene, rng)
        assert parse(words) == Attributes(thing.colour, thing.motion, thing.shape, scene.background), words


def test_rendered_clips_are_taken_and_wrong_captions_refused() -> None:
    rng = random.Random(2)
    for scene, frames in rendered(WIDE, 5, seed=3):
        decoded = through_h264(frames)
        verdict = check(decoded, caption(scene, rng))
        assert verdict.ok, verdict.explain()
        assert not check(decoded, caption(wrong(scene, WIDE, rng), rng)).ok


@pytest.mark.parametrize(
    "frames", [np.zeros((17, 64, 64, 3)), np.random.default_rng(0).integers(0, 256, (17, 64, 64, 3))]
)
def test_nothing_and_noise_are_refused(frames: np.ndarray) -> None:
    assert not check(frames.astype(np.uint8), "a red circle moving right").ok


def test_a_verdict_explains_itself() -> None:
    scene, frames = next(rendered(WIDE, 1, seed=4))
    shape = next(name for name in SHAPES if name != scene.things[0].shape)
    other = Scene((replace(scene.things[0], shape=shape),), scene.background)
    explanation = check(frames, caption(other, random.Random(0))).explain()
    assert f"shape: wanted {shape}, saw {scene.things[0].shape} (WRONG)" in explanation


def test_two_things_are_told_by_their_colours() -> None:
    scene = Scene((Thing("red", "circle", "right", "small"), Thing("blue", "star", "up", "small")), "gray")
    (frames,) = to_uint8(render([scene], torch.tensor([[0.1, 0.0, 0.9, 0.9, 1.0, 0.9]]))).numpy()
    told = "a red circle moving right and a blue star moving up on a gray background"
    swapped = "a blue circle moving right and a red star moving up on a gray background"
    assert all(seen.ok for seen in check_pair(frames, parse_pair(told), "gray"))
    assert not any(seen.shape or seen.motion for seen in check_pair(frames, parse_pair(swapped), "gray"))
