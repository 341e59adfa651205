"""Bring a clip to a size, a frame rate and a length. Its sound stays, as long as the frames."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.filter import Graph
from pydantic import Field

from steps import work
from steps.media import clips, frames, length, mark, preview
from steps.media.frames import Clip, Frame, Shape
from steps.work import Work

# The colours of the frames are named, since the filter takes another matrix for small ones.
SCALING = (
    "force_divisible_by=2:flags=lanczos:in_color_matrix=bt709:out_color_matrix=bt709"
    ":in_range=limited:out_range=limited"
)


class Parameters(work.Parameters):
    """What is left out stays as it is."""

    width: int | None = Field(None, ge=16, le=8192, multiple_of=2)
    height: int | None = Field(None, ge=16, le=8192, multiple_of=2)
    fps: int | None = Field(None, ge=1, le=120)
    seconds: float | None = Field(
        None, gt=0, le=3600, description="A longer clip is cut. Left out: as the clip, or the speech."
    )
    longer: Literal["hold", "loop"] = Field("hold", description="How a shorter clip gets longer.")
    mode: Literal["crop", "pad"] = Field("crop", description="How another ratio of width to height fits.")


def run(job: Work) -> None:
    """Write `clip` and `preview`. Raises StepError, OSError."""
    wanted = Parameters.model_validate(job.parameters)
    clip = clips.opened("clip", job.one("clip"))
    old = clip.shape
    shape = Shape(wanted.width or old.width, wanted.height or old.height, Fraction(wanted.fps or old.rate))
    seconds = length.seconds(job, wanted.seconds, clip.seconds)
    count = length.frames(max(seconds, clip.seconds) if wanted.seconds is None else seconds, shape.rate)
    steady = _counted(_scaled(clip, shape, wanted.mode), clip, shape, count, wanted)
    seen = preview.beside(job, shape, steady, clip.path if clip.has_sound else None)
    clips.write(
        job.outputs["clip"],
        shape,
        clips.watched(seen, count, job.progress),
        clips.sound_of(clip, count / shape.rate),
        mark.tags(mark.sources(job)),
    )


def _counted(
    scaled: Iterator[Frame], clip: Clip, shape: Shape, count: int, wanted: Parameters
) -> Iterator[Frame]:
    """Yield exactly so many frames: cut, held, or from the start again."""
    last: Frame | None = None
    made = 0
    while made < count:
        for frame in scaled:
            if made == count:
                return
            last = frame
            made += 1
            yield frame
        if wanted.longer == "loop":
            scaled = _scaled(clip, shape, wanted.mode)
        elif last is not None and made < count:
            made += 1
            yield last


def _scaled(clip: Clip, shape: Shape, mode: str) -> Iterator[Frame]:
    """Yield the frames of a clip in another shape, by FFmpeg's own filters."""
    old = clip.shape
    if old == shape:
        yield from frames.read(clip.path)
        return
    graph = _graph(clip.path, old, shape, mode)
    with av.open(str(clip.path)) as container:
        for frame in container.decode(container.streams.video[0]):
            graph.vpush(frame)
            yield from _pulled(graph)
    graph.vpush(None)
    yield from _pulled(graph)


def _graph(path: Path, old: Shape, shape: Shape, mode: str) -> Graph:
    graph = Graph()
    with av.open(str(path)) as container:
        nodes = [graph.add_buffer(template=container.streams.video[0])]
    if (old.width, old.height) != (shape.width, shape.height):
        grow = "increase" if mode == "crop" else "decrease"
        size = f"{shape.width}:{shape.height}"
        nodes.append(graph.add("scale", f"{size}:force_original_aspect_ratio={grow}:{SCALING}"))
        nodes.append(
            graph.add("crop", size) if mode == "crop" else graph.add("pad", f"{size}:(ow-iw)/2:(oh-ih)/2")
        )
    nodes.append(graph.add("fps", str(shape.rate)))
    nodes.append(graph.add("format", "yuv420p"))
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    return graph


def _pulled(graph: Graph) -> Iterator[Frame]:
    while True:
        try:
            yield frames.pixels_of(graph.vpull())
        except (BlockingIOError, EOFError):
            return
