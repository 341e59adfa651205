"""Measure the checker on rendered clips, also after H.264, with right and with wrong captions."""

import random
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import torch

from training.scenes.captions import caption
from training.scenes.checker import Frames, check
from training.scenes.domain import FPS, Domain, Scene, Thing, draw_scene
from training.scenes.render import render, to_uint8


def rendered(domain: Domain, count: int, seed: int) -> Iterator[tuple[Scene, Frames]]:
    """Render clips of all combinations."""
    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        scene = draw_scene(domain, rng, unseen=rng.random() < 0.2)
        clip = render([scene], torch.rand(1, 6, generator=generator))
        yield scene, to_uint8(clip)[0].numpy()


def through_h264(frames: Frames) -> Frames:
    """Encode and decode frames as the service does: H.264, yuv420p, crf 18."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        with av.open(path, "w") as container:
            stream = container.add_stream("libx264", rate=FPS, options={"crf": "18"})
            stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        with av.open(path) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def wrong(scene: Scene, domain: Domain, rng: random.Random) -> Scene:
    """Change one attribute that a caption says to another value."""
    name = rng.choice(["colour", "shape", "motion"] + ["background"] * (len(domain.backgrounds) > 1))
    if name == "background":
        taken = {scene.background, scene.things[0].colour}
        return replace(scene, background=rng.choice([b for b in domain.backgrounds if b not in taken]))
    values = {"colour": domain.colours, "shape": domain.shapes, "motion": domain.motions}[name]
    thing: Thing = scene.things[0]
    other = rng.choice([v for v in values if v not in (getattr(thing, name), scene.background)])
    return replace(scene, things=(replace(thing, **{name: other}),))


def validate(domain: Domain, count: int, seed: int = 7) -> dict[str, float]:
    """Return the shares of right captions accepted and of wrong captions refused, in percent."""
    rng = random.Random(seed)
    totals = {"accepted": 0, "accepted after H.264": 0, "refused": 0, "refused after H.264": 0}
    for scene, frames in rendered(domain, count, seed):
        right, false = caption(scene, rng), caption(wrong(scene, domain, rng), rng)
        for label, clip in (("", frames), (" after H.264", through_h264(frames))):
            totals[f"accepted{label}"] += check(clip, right).ok
            totals[f"refused{label}"] += not check(clip, false).ok
    return {name: 100 * total / count for name, total in totals.items()}
