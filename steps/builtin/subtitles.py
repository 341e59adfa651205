"""Make subtitles from the times of words: a WebVTT file, and drawn into the frames of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from pydantic import Field

from steps import work
from steps.media import clips, cues, frames, mark, text
from steps.media.cues import Cue
from steps.media.frames import Frame, Shape
from steps.media.speech import Word
from steps.work import StepError, Work

HEIGHT = 1 / 18  # of the letters, as a share of the frame
BOTTOM = 0.95


class Parameters(work.Parameters):
    """When the speech begins."""

    starts: tuple[float, ...] = Field(
        (),
        description="Seconds at which the speech of each file begins; left out: one after the other.",
    )


def run(job: Work) -> None:
    """Write `subtitles`, and `clip` where one is given. Raises StepError, OSError."""
    wanted = Parameters.model_validate(job.parameters)
    files = job.inputs.get("timings", ())
    if not files:
        raise StepError("inputs.timings: missing")
    spoken = [cues.read_words(f"timings[{n}]", path) for n, path in enumerate(files)]
    starts = wanted.starts or _one_after_the_other(spoken)
    if len(starts) != len(spoken):
        raise StepError(f"parameters.starts: has {len(starts)}, and there are {len(spoken)} files of timings")
    shown = [cue for words, start in zip(spoken, starts, strict=True) for cue in cues.cues(words, start)]
    job.outputs["subtitles"].write_text(cues.webvtt(shown), encoding="utf-8")
    if source := job.maybe("clip"):
        clip = clips.opened("clip", source)
        drawn = clips.watched(burnt(frames.read(source), clip.shape, shown), clip.count, job.progress)
        clips.write(
            job.outputs["clip"],
            clip.shape,
            drawn,
            clips.sound_of(clip, clip.seconds),
            mark.tags(mark.sources(job)),
        )


def burnt(made: Iterable[Frame], shape: Shape, shown: Sequence[Cue]) -> Iterator[Frame]:
    """Yield frames with the cue of their time drawn over them."""
    waiting = sorted(shown, key=lambda cue: cue.start)
    current: tuple[Cue, text.Drawn] | None = None
    for number, frame in enumerate(made):
        now = float(Fraction(number) / shape.rate)
        while waiting and waiting[0].start <= now:
            cue = waiting.pop(0)
            current = cue, _drawn(cue, shape)
        yield text.laid_over(frame, current[1]) if current and now < current[0].end else frame


def _drawn(cue: Cue, shape: Shape) -> text.Drawn:
    height = shape.height * HEIGHT
    lines = text.wrapped(" ".join(cue.lines), text.font(height), shape.width * 0.92)
    return text.draw(lines, shape, height, bottom=BOTTOM)


def _one_after_the_other(spoken: Sequence[Sequence[Word]]) -> tuple[float, ...]:
    starts = [0.0]
    for words in spoken[:-1]:
        starts.append(starts[-1] + (words[-1].end if words else 0.0))
    return tuple(starts)
