"""Join clips by cuts and crossfades: their frames and sound as streams, and where each clip begins."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise

import numpy as np

from steps.media import frames, sound
from steps.media.frames import Clip, Frame, Shape
from steps.work import StepError


@dataclass(frozen=True)
class Timeline:
    """Clips in their order. `overlaps` are the frames that a clip shares with the next: 0 is a cut."""

    clips: tuple[Clip, ...]
    overlaps: tuple[int, ...]

    @property
    def shape(self) -> Shape:
        """Return the shape of all frames."""
        return self.clips[0].shape

    @property
    def starts(self) -> tuple[int, ...]:
        """Return the frame at which each clip begins."""
        starts = [0]
        for clip, overlap in zip(self.clips[:-1], self.overlaps, strict=True):
            starts.append(starts[-1] + clip.count - overlap)
        return tuple(starts)

    @property
    def count(self) -> int:
        """Return the number of all frames."""
        return self.starts[-1] + self.clips[-1].count

    @property
    def seconds(self) -> Fraction:
        """Return the length of all frames."""
        return self.count / self.shape.rate


def timeline(clips: Sequence[Clip], transitions: Sequence[float]) -> Timeline:
    """Return the timeline of clips with a transition, in seconds, between each two. Raises StepError."""
    if len(transitions) != len(clips) - 1:
        raise StepError(
            f"parameters.transitions: {len(transitions)} for {len(clips)} clips; {len(clips) - 1} are right"
        )
    for number, (first, clip) in enumerate(pairwise(clips), 1):
        if clip.shape != first.shape:
            problem = f"is {clip.shape}, and the clips before are {first.shape}; use the step fit"
            raise StepError(f"inputs.clips[{number}]: {problem}")
    rate = clips[0].shape.rate
    overlaps = tuple(round(Fraction(seconds).limit_denominator(1000) * rate) for seconds in transitions)
    for number, clip in enumerate(clips):
        taken = sum(overlaps[max(0, number - 1) : number + 1])
        if taken > clip.count:
            problem = f"has {clip.count} frames, and its transitions take {taken}; shorten them"
            raise StepError(f"inputs.clips[{number}]: {problem}")
    return Timeline(tuple(clips), overlaps)


def joined_frames(line: Timeline) -> Iterator[Frame]:
    """Yield the frames of all clips. Only the frames of one transition are in memory."""
    waiting: list[Frame] = []  # of the clip before, to be mixed with the next ones
    for clip, overlap in zip(line.clips, (*line.overlaps, 0), strict=True):
        made = frames.read(clip.path)
        for number, (old, new) in enumerate(zip(waiting, islice(made, len(waiting)), strict=True), 1):
            yield frames.mixed(old, new, number / (len(waiting) + 1))
        yield from islice(made, clip.count - len(waiting) - overlap)
        waiting = list(made)


def joined_sound(line: Timeline) -> Iterator[sound.Samples]:
    """Yield the sound of all clips; in a transition one gets softer and the other louder, at equal power."""
    rate = line.shape.rate
    waiting = sound.silence(0)
    for start, clip, overlap in zip(line.starts, line.clips, (*line.overlaps, 0), strict=True):
        begin, end = sound.at(start / rate), sound.at((start + clip.count) / rate)
        following = sound.at((start + clip.count - overlap) / rate)
        reader = sound.Reader(sound.read(clip.path) if clip.has_sound else ())
        yield _crossed(waiting, reader.take(waiting.shape[1]))
        left = following - begin - waiting.shape[1]
        while left:
            step = min(left, sound.BLOCK)
            left -= step
            yield reader.take(step)
        waiting = reader.take(end - following)


def _crossed(old: sound.Samples, new: sound.Samples) -> sound.Samples:
    turn = np.linspace(0, math.pi / 2, old.shape[1], dtype=np.float32)
    return old * np.cos(turn) + new * np.sin(turn)
