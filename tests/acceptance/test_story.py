"""A story becomes a film that shows and says its scenes; a change of one scene leaves the others' bytes.

Three scenes of `shapes-tiny`, two of them narrated, on one machine. The film is decoded: an independent
checker judges the frames of each scene at their place. It is loud where there is speech, else silent.
"""

from __future__ import annotations

import io
import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.acceptance.command import reelzero
from training.scenes.checker import check

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reelzero is stopped by Linux signals here")
RATE = 8  # frames per second
SHOWN = 17  # frames of a video; then the last one is held
SCENES: list[dict[str, Any]] = [
    {"prompt": "a red circle moving right", "narration": "A red circle moves to the right."},
    {"prompt": "a small yellow star growing on a purple background", "seconds": 2.125},
    {"prompt": "a cyan square moving left", "narration": "Then a square comes back, and the film ends."},
]
CUE = r"([\d:.]+) --> ([\d:.]+)[^\n]*\n(.+?)(?:\n\n|\n*\Z)"
SECOND = "a blue triangle moving left"


@dataclass(frozen=True)
class Film:
    """A film as a viewer gets it."""

    frames: np.ndarray  # (frames, height, width, 3) uint8
    sound: np.ndarray  # (samples,) float32
    rate: int
    cues: list[tuple[float, float, str]]

    def loudness(self, begin: float, end: float) -> float:
        """The root mean square of the sound of a stretch, in seconds."""
        part = self.sound[int(begin * self.rate) : int(end * self.rate)]
        return float(np.sqrt(np.mean(np.square(part))))


def call(url: str, method: str = "GET", body: Any = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


def ended(url: str, story: dict[str, Any]) -> dict[str, Any]:
    """The story at its end, by its events."""
    text = call(f"{url}/v1/stories/{story['id']}/events").decode()
    last = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")][-1]
    done: dict[str, Any] = json.loads(last)
    assert done["status"] == "completed", done
    return done


def steps_of(story: dict[str, Any]) -> dict[str, Any]:
    return {step["name"]: step for step in story["steps"]}


def film_of(url: str, story: dict[str, Any]) -> Film:
    files = steps_of(story)["film"]["outputs"]
    film = call(url + files["film"]["url"])
    with av.open(io.BytesIO(film), "r") as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    with av.open(io.BytesIO(film), "r") as container:
        rate = container.streams.audio[0].rate
        sound = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)])
    return Film(frames, sound, rate, list(cues(call(url + files["subtitles"]["url"]).decode())))


def cues(text: str) -> Iterator[tuple[float, float, str]]:
    assert text.startswith("WEBVTT")
    for begin, end, words in re.findall(
        r"([\d:.]+) --> ([\d:.]+)[^\n]*\n(.+?)(?:\n\n|\n*\Z)", text, re.DOTALL
    ):
        yield seconds(begin), seconds(end), words.replace("\n", " ")


def seconds(clock: str) -> float:
    return sum(float(part) * 60.0**power for power, part in enumerate(reversed(clock.split(":"))))


def starts_of(url: str, story: dict[str, Any]) -> list[int]:
    """The frame at which each scene begins, and the number of all."""
    starts = [0]
    for number in range(1, len(SCENES) + 1):
        clip = call(url + steps_of(story)[f"scene-{number}"]["outputs"]["clip"]["url"])
        with av.open(io.BytesIO(clip), "r") as container:
            starts.append(starts[-1] + sum(1 for _ in container.decode(video=0)))
    return starts


def judge(film: Film, starts: list[int], prompts: list[str]) -> None:
    """Each scene is at its place, and it is no other one."""
    assert len(film.frames) == starts[-1]
    for number, prompt in enumerate(prompts):
        shown = film.frames[starts[number] : starts[number] + SHOWN]
        verdict = check(shown, prompt)
        assert verdict.ok, f"scene {number + 1}: {verdict.explain()}"
        assert not check(shown, prompts[number - 1]).ok


def test_a_story_becomes_its_film_and_a_change_of_a_scene_makes_only_that_again(home: Path) -> None:
    with reelzero("up", "--port", "0", "--data-dir", f"{home}/data", "--model", "shapes-tiny") as up:
        url = up.until("^ready ").split()[1]
        story = json.loads(call(f"{url}/v1/stories", "POST", {"scenes": SCENES}))
        done = ended(url, story)
        film, starts = film_of(url, done), starts_of(url, done)
        judge(film, starts, [scene["prompt"] for scene in SCENES])
        assert abs(len(film.sound) / film.rate - len(film.frames) / RATE) < 1 / RATE
        loud = [film.loudness(begin / RATE, end / RATE) for begin, end in pairwise(starts)]
        assert min(loud[0], loud[2]) > 20 * loud[1], f"only the first and the last scene are spoken: {loud}"
        spoken = [" ".join(cue[2] for cue in film.cues if _is_in(cue, starts, n)) for n in range(3)]
        assert spoken == [SCENES[0]["narration"], "", SCENES[2]["narration"]]

        change = {"scenes": {"2": {"prompt": SECOND}}}
        revised = json.loads(call(f"{url}/v1/stories/{story['id']}/revise", "POST", change))
        again = ended(url, revised)
        made = {name for name, step in steps_of(again).items() if not step["reused"]}
        assert made == {"video-2", "scene-2", "film"}
        for name in steps_of(done).keys() - made:
            assert digests(again, name) == digests(done, name)
        judge(film_of(url, again), starts, [SCENES[0]["prompt"], SECOND, SCENES[2]["prompt"]])


def _is_in(cue: tuple[float, float, str], starts: list[int], scene: int) -> bool:
    return starts[scene] / RATE <= cue[0] < cue[1] <= starts[scene + 1] / RATE


def digests(story: dict[str, Any], name: str) -> dict[str, str]:
    return {output: file["sha256"] for output, file in steps_of(story)[name]["outputs"].items()}
