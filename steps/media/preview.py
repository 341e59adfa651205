"""Write a small clip that browsers play, beside a lossless one: H.264, with the speech or its own sound.

A page plays the scenes of a film with it while the film is not there yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
from av.video.reformatter import VideoReformatter

from steps.media import clips, frames, sound
from steps.media.frames import Frame, Shape
from steps.work import Work

OUTPUT = "preview"
LONGEST_SIDE = 480  # pixels
FAST = {"preset": "ultrafast", "crf": "26"}
PLAYS_EARLY = {"movflags": "+faststart"}


def beside(job: Work, shape: Shape, made: Iterable[Frame], own: Path | None = None) -> Iterator[Frame]:
    """Yield the frames, and write each into the output `preview`. Raises OSError.

    `own` is a clip with sound, which is heard if there is no speech.
    """
    heard = job.maybe("speech") or own
    with av.open(str(job.outputs[OUTPUT]), "w", format="mp4", options=PLAYS_EARLY) as container:
        yield from _written(container, shape, made, heard)


def _written(
    container: av.container.OutputContainer, shape: Shape, made: Iterable[Frame], heard: Path | None
) -> Iterator[Frame]:
    small, reformatter = smaller(shape), VideoReformatter()
    waiting: list[Frame] = []
    encoding = frames.encoded(container, small, _taken(waiting), "libx264", FAST)
    track = clips.Track(container, sound.read(heard), ("aac", {})) if heard else None
    for frame in made:
        picture = av.VideoFrame.from_ndarray(frame, format="yuv420p")
        waiting.append(frames.pixels_of(reformatter.reformat(picture, small.width, small.height)))
        count = next(encoding)
        if track:
            track.write_until(sound.at(count / shape.rate))
        yield frame
    for _ in encoding:
        pass
    if track:
        track.finish()


def _taken(waiting: list[Frame]) -> Iterator[Frame]:
    """Yield the frame that waits, each time that one is asked for, until none does."""
    while waiting:
        yield waiting.pop()


def smaller(shape: Shape) -> Shape:
    """Return the shape of the preview: the same ratio and rate, and even sides."""
    share = min(1.0, LONGEST_SIDE / max(shape.width, shape.height))
    return Shape(_even(shape.width * share), _even(shape.height * share), shape.rate)


def _even(side: float) -> int:
    return max(16, round(side / 2) * 2)
