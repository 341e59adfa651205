"""Join clips of one shape, by cuts and crossfades."""

from __future__ import annotations

from pydantic import Field

from steps import work
from steps.media import clips, joining, mark
from steps.work import StepError, Work


class Parameters(work.Parameters):
    """The transitions: none means that all are cuts."""

    transitions: tuple[float, ...] | None = Field(
        None, description="Seconds of crossfade between each clip and the next; 0 is a cut."
    )


def run(job: Work) -> None:
    """Write `clip`. Raises StepError, OSError."""
    wanted = Parameters.model_validate(job.parameters)
    opened = [clips.opened(f"clips[{n}]", path) for n, path in enumerate(job.inputs.get("clips", ()))]
    if not opened:
        raise StepError("inputs.clips: missing")
    transitions = wanted.transitions if wanted.transitions is not None else (0.0,) * (len(opened) - 1)
    line = joining.timeline(opened, transitions)
    heard = joining.joined_sound(line) if any(clip.has_sound for clip in opened) else None
    made = clips.watched(joining.joined_frames(line), line.count, job.progress)
    clips.write(job.outputs["clip"], line.shape, made, heard, mark.tags(mark.sources(job)))
