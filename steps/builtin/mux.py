"""Lay speech and music under a clip, at one loudness."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from pydantic import Field

from steps import work
from steps.media import clips, frames, mark, mixing, sound
from steps.media.mixing import Placed
from steps.work import StepError, Work


class Parameters(work.Parameters):
    """Where speech begins, and how loud everything is."""

    starts: tuple[float, ...] = Field(
        (), description="Seconds at which each speech begins; left out: all at 0."
    )
    music_db: float = Field(-12, ge=-60, le=12, description="Of the music where nobody speaks.")
    duck_db: float = Field(12, ge=0, le=60, description="How much softer music is under speech.")
    loudness: float = Field(-16, ge=-40, le=-5, description="LUFS (EBU R128); broadcasters ask for -23.")


def run(job: Work) -> None:
    """Write `clip`. Raises StepError, OSError."""
    wanted = Parameters.model_validate(job.parameters)
    clip = clips.opened("clip", job.one("clip"))
    speech = placed(job.inputs.get("speech", ()), wanted.starts)
    count = sound.at(clip.seconds)
    base = sound.read(clip.path) if clip.has_sound else ()
    mix = mixing.mixed(base, count, speech, job.maybe("music"), wanted.music_db, wanted.duck_db)
    with levelled(mix, wanted.loudness) as heard:
        made = clips.watched(frames.read(clip.path), clip.count, job.progress)
        clips.write(job.outputs["clip"], clip.shape, made, heard, mark.tags(mark.sources(job)))


def placed(files: tuple[Path, ...], starts: tuple[float, ...]) -> list[Placed]:
    """Return speeches at their places. Raises StepError for another number of starts than of files."""
    if starts and len(starts) != len(files):
        raise StepError(f"parameters.starts: has {len(starts)}, and there are {len(files)} files of speech")
    for number, path in enumerate(files):
        try:
            with av.open(str(path)) as container:
                if not container.streams.audio:
                    raise StepError(f"inputs.speech[{number}]: has no sound")
        except av.FFmpegError as error:
            raise StepError(f"inputs.speech[{number}]: is no sound that can be read: {error}") from error
    return [Placed(path, start) for path, start in zip(files, starts or (0.0,) * len(files), strict=True)]


@contextmanager
def levelled(mix: Iterator[sound.Samples], loudness: float) -> Iterator[Iterator[sound.Samples]]:
    """Give a mix at a loudness. It is on the disk meanwhile, since its loudness is known at its end."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "mix.wav")
        sound.write_wave(path, mix)
        yield mixing.levelled(path, loudness)
