"""Speak a text: a sound file, and the time of each word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from pydantic import Field

from steps import work
from steps.media import sound, speech
from steps.work import StepError, Work

PEAK = 0.7  # of the samples; mux brings the film to its loudness


class Parameters(work.Parameters):
    """What to say, and how."""

    text: str = Field(min_length=1, max_length=20_000, description="In words as one writes them.")
    voice: str = Field("en-us", pattern=r"^[A-Za-z0-9_+-]{1,32}$", description="A voice of espeak-ng.")
    words_per_minute: int = Field(160, ge=80, le=450)
    pitch: int = Field(50, ge=0, le=99)
    pause_seconds: float = Field(0.2, ge=0, le=10, description="Silence before and after.")


def run(job: Work) -> None:
    """Write `speech` (WAVE) and `timings` (JSON). Raises StepError, OSError."""
    wanted = Parameters.model_validate(job.parameters)
    try:
        spoken = speech.speak(wanted.text, wanted.voice, wanted.words_per_minute, wanted.pitch)
    except speech.UnknownVoice as error:
        raise StepError(f"parameters.voice: espeak-ng has no voice {error}") from error
    if not spoken.words:
        raise StepError("parameters.text: there is no word in it that can be spoken")
    job.progress(0.5)
    written = sound.write_wave(job.outputs["speech"], _blocks(spoken, wanted.pause_seconds))
    words = [
        {
            "text": word.text,
            "start": round(word.start + wanted.pause_seconds, 3),
            "end": round(word.end + wanted.pause_seconds, 3),
        }
        for word in spoken.words
    ]
    timings = {"seconds": round(written / sound.RATE, 3), "words": words}
    job.outputs["timings"].write_text(json.dumps(timings, ensure_ascii=False), encoding="utf-8")
    job.progress(1.0)


def _blocks(spoken: speech.Speech, pause: float) -> Iterator[sound.Samples]:
    """Yield pause, speech and pause as stereo at the rate of films."""
    around = sound.silence(sound.at(Fraction(pause).limit_denominator(1000)))
    peak = max(1, int(np.abs(spoken.samples.astype(np.int32)).max()))
    scaled = (spoken.samples.astype(np.float32) * (PEAK / peak)).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(scaled), format="fltp", layout="mono")
    frame.sample_rate = spoken.rate
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=sound.RATE)
    yield around
    for source in (frame, None):
        for part in resampler.resample(source):
            yield sound.samples_of(part)
    yield around
