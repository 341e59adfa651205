"""Make the film: clips joined, speech at its scenes, music, subtitles, one loudness, as MP4 for browsers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal

import av
from PIL import Image
from pydantic import Field

from steps import work
from steps.builtin import mux
from steps.builtin.subtitles import burnt
from steps.media import clips, cues, frames, joining, mark, mixing, sound
from steps.media.cues import Cue
from steps.media.frames import FILM, Frame
from steps.work import StepError, Work

AAC = {"aac_pns": "0"}  # noise stays what it was


class Parameters(work.Parameters):
    """What belongs to which clip, and how the film looks and sounds."""

    transitions: tuple[float, ...] | None = Field(
        None,
        description="Seconds of crossfade between each clip and the next; 0 is a cut; left out: all cuts.",
    )
    speech_clips: tuple[int, ...] | None = Field(
        None,
        description="The clip, from 0, with which each speech begins; left out: one speech for each clip.",
    )
    subtitles: Literal["file", "burnt", "none"] = Field(
        "file", description="Beside the film, or in its frames."
    )
    music_db: float = Field(-12, ge=-60, le=12, description="Of the music where nobody speaks.")
    duck_db: float = Field(12, ge=0, le=60, description="How much softer music is under speech.")
    loudness: float = Field(-16, ge=-40, le=-5, description="LUFS (EBU R128); broadcasters ask for -23.")


def run(job: Work) -> None:
    """Write `film` (MP4, signed), `subtitles` (WebVTT) and `poster` (JPEG). Raises StepError, OSError."""
    wanted = Parameters.model_validate(job.parameters)
    opened = [clips.opened(f"clips[{n}]", path) for n, path in enumerate(job.inputs.get("clips", ()))]
    if not opened:
        raise StepError("inputs.clips: missing")
    line = joining.timeline(
        opened, wanted.transitions if wanted.transitions is not None else (0.0,) * (len(opened) - 1)
    )
    starts = _starts(job, line, wanted)
    shown = list(_cues(job, starts))
    job.outputs["subtitles"].write_text(cues.webvtt(shown), encoding="utf-8")
    speech = mux.placed(job.inputs.get("speech", ()), starts)
    mix = mixing.mixed(
        joining.joined_sound(line),
        sound.at(line.seconds),
        speech,
        job.maybe("music"),
        wanted.music_db,
        wanted.duck_db,
    )
    with mux.levelled(mix, wanted.loudness) as heard:
        made = joining.joined_frames(line)
        made = burnt(made, line.shape, shown) if wanted.subtitles == "burnt" else made
        _write(job, line, clips.watched(_with_poster(job, made, line.count), line.count, job.progress), heard)


def _write(job: Work, line: joining.Timeline, made: Iterator[Frame], heard: Iterator[sound.Samples]) -> None:
    options = {"movflags": "+faststart"}
    target = job.outputs["film"]
    draft = target.with_name("film.mp4")  # the name tells the library of C2PA what it is
    with av.open(str(draft), "w", format="mp4", options=options) as container:
        clips.muxed(container, line.shape, made, heard, ("libx264", FILM), ("aac", AAC))
    if signer := mark.credentials():
        mark.sign(signer, draft, mark.sources(job))
    draft.replace(target)


def _starts(job: Work, line: joining.Timeline, wanted: Parameters) -> tuple[float, ...]:
    """Return the second at which each speech begins: with its clip."""
    spoken = len(job.inputs.get("speech", ()))
    belongs = wanted.speech_clips if wanted.speech_clips is not None else tuple(range(spoken))
    if len(belongs) != spoken:
        raise StepError(
            f"parameters.speech_clips: has {len(belongs)}, and there are {spoken} files of speech"
        )
    if wrong := next((clip for clip in belongs if not 0 <= clip < len(line.clips)), None):
        raise StepError(
            f"parameters.speech_clips: there is no clip {wrong}; the last is {len(line.clips) - 1}"
        )
    return tuple(float(Fraction(line.starts[clip]) / line.shape.rate) for clip in belongs)


def _cues(job: Work, starts: Sequence[float]) -> Iterator[Cue]:
    files = job.inputs.get("timings", ())
    if files and len(files) != len(starts):
        raise StepError(f"inputs.timings: has {len(files)} files, and there are {len(starts)} of speech")
    for number, (path, start) in enumerate(zip(files, starts, strict=False)):
        yield from cues.cues(cues.read_words(f"timings[{number}]", path), start)


def _with_poster(job: Work, made: Iterator[Frame], count: int) -> Iterator[Frame]:
    """Yield the frames, and write the one in the middle as a picture."""
    for number, frame in enumerate(made):
        if number == count // 2:
            Image.fromarray(frames.to_rgb(frame)).save(job.outputs["poster"], "JPEG", quality=85)
        yield frame
