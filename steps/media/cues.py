"""Cues of subtitles, from words and their times: a line or two, as long as they are spoken.

42 letters a line and two lines are what the guides of broadcasters (BBC, Netflix) allow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steps.media.speech import Word
from steps.work import StepError

LINE_LETTERS = 42
LINES = 2
LONGEST = 6.0  # seconds
ENDS = (".", "!", "?", "…", ":", ";")


@dataclass(frozen=True)
class Cue:
    """Lines, and when they are shown, in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


def read_words(name: str, path: Path) -> tuple[Word, ...]:
    """Return the words of a file of timings. Raises StepError naming the input."""
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
        words = [Word(str(w["text"]), float(w["start"]), float(w["end"])) for w in data["words"]]
    except (ValueError, KeyError, TypeError) as error:
        raise StepError(
            f'inputs.{name}: is no list of words with their times, such as {{"words": '
            f'[{{"text": "a", "start": 0.2, "end": 0.4}}]}}'
        ) from error
    return tuple(words)


def cues(words: Sequence[Word], shift: float = 0.0) -> Iterator[Cue]:
    """Yield the cues of words in their order, later by `shift` seconds."""
    group: list[Word] = []
    for word in words:
        if group and not _fits([*group, word]):
            yield _cue(group, shift)
            group = []
        group.append(word)
        if word.text.endswith(ENDS):
            yield _cue(group, shift)
            group = []
    if group:
        yield _cue(group, shift)


def webvtt(shown: Sequence[Cue]) -> str:
    """Return the cues as a WebVTT file."""
    blocks = [
        f"{_clock(cue.start)} --> {_clock(cue.end)}\n" + "\n".join(_escaped(line) for line in cue.lines)
        for cue in shown
    ]
    return "\n\n".join(["WEBVTT", *blocks]) + "\n"


def _fits(words: Sequence[Word]) -> bool:
    return len(_lines(words)) <= LINES and words[-1].end - words[0].start <= LONGEST


def _cue(words: Sequence[Word], shift: float) -> Cue:
    return Cue(words[0].start + shift, words[-1].end + shift, tuple(_lines(words)))


def _lines(words: Sequence[Word]) -> list[str]:
    lines = [words[0].text]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word.text) <= LINE_LETTERS:
            lines[-1] += f" {word.text}"
        else:
            lines.append(word.text)
    return lines


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}.{whole % 1000:03}"


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
