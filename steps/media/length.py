"""Say how long a clip is to be: as its parameters say, and at least as long as the speech over it."""

from __future__ import annotations

from fractions import Fraction

from steps.media import sound
from steps.work import Work


def seconds(job: Work, wanted: float | None, usual: Fraction) -> Fraction:
    """Return the length: `wanted`, else that of the input `speech`, else `usual`; no less than speech."""
    spoken = job.maybe("speech")
    heard = (
        Fraction(sum(block.shape[1] for block in sound.read(spoken)), sound.RATE) if spoken else Fraction(0)
    )
    if wanted is not None:
        return max(Fraction(wanted).limit_denominator(1000), heard)
    return heard or usual


def frames(length: Fraction, rate: Fraction) -> int:
    """Return the number of frames that last at least so long."""
    return max(1, -(-(length * rate).numerator // (length * rate).denominator))
