"""Stories on one machine, from zero to films: `python -m bench.stories`.

`reelzero up` with `shapes-tiny` runs all of it, and has run one story before the clock. A chain of steps
that do next to nothing shows what a step takes besides its work: its own seconds are taken off. Limit: 150
ms for each, from the moment its inputs exist until its outputs are recorded. Ten stories of three scenes at
once are held against the work of the slowest resource: all seconds of the device, or those of the runner
over its slots. A change of one scene of ten is held against the whole. Times are those of the service's own
clock, so that a caller who looks does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from bench.harness.process import ROOT, call
from bench.harness.records import Record, Size, at_most, main, median
from eventing.standalone.processes.steps import slots

LOOK = 1.0  # seconds between two looks at stories
LIMIT_MS = 150
SMALL = {"width": 64, "height": 48, "fps": 8}
SHAPES = ("circle", "square", "triangle", "star")
COLOURS = ("red", "green", "blue", "yellow", "white")
WAYS = ("right", "left", "up", "down")
Story = dict[str, Any]


class Service:
    """A running `reelzero up`."""

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port or 0

    def submit(self, path: str, body: Any) -> str:
        status, answer = call(self._port, path, body)
        assert status == 202, answer
        return str(json.loads(answer)["id"])

    def finished(self, ids: list[str]) -> list[Story]:
        """Wait for stories, and return them."""
        stories: list[Story] = []
        for one in ids:
            while (story := json.loads(call(self._port, f"/v1/stories/{one}")[1]))["status"] in (
                "queued",
                "in_progress",
            ):
                time.sleep(LOOK)
            assert story["status"] == "completed", story["error"]
            stories.append(story)
        return stories

    def make(self, *requests: Any) -> list[Story]:
        return self.finished([self.submit("/v1/stories", each) for each in requests])


@contextmanager
def service() -> Iterator[Service]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        words = (
            "up",
            "--port",
            "0",
            "--data-dir",
            folder,
            "--model",
            "shapes-tiny",
            "--idle-seconds",
            "3600",
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "eventing", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line.startswith("ready "), line
            yield Service(line.split()[1])
        finally:
            process.terminate()
            process.wait()


def scenes(count: int, first: int = 0) -> Story:
    """Return a story whose scenes are in no other: equal steps would be reused."""
    return {"scenes": [_scene(number) for number in range(first, first + count)]}


def _scene(number: int) -> dict[str, Any]:
    colour, shape, way = (names[number % len(names)] for names in (COLOURS, SHAPES, WAYS))
    narration = f"Scene {number}: a {colour} {shape} moves {way}."
    return {"prompt": f"a {colour} {shape} moving {way}", "narration": narration, "with": {"seed": number}}


def chain(count: int, run: int) -> Story:
    steps: dict[str, Any] = {
        "s0": {"uses": "title", "with": {**SMALL, "text": f"Run {run}", "seconds": 0.25}}
    }
    for number in range(1, count):
        steps[f"s{number}"] = {"uses": "fit", "with": SMALL, "inputs": {"clip": f"s{number - 1}.clip"}}
    return {"steps": steps}


def lasted(*stories: Story) -> float:
    """Return the seconds from the first submission to the last end."""

    def at(story: Story, name: str) -> float:
        return datetime.fromisoformat(story[name]).timestamp()

    return max(at(each, "completed_at") for each in stories) - min(
        at(each, "submitted_at") for each in stories
    )


def work(stories: list[Story], *, videos: bool) -> float:
    """Return the seconds of all video steps, or of all others."""
    steps = [step for story in stories for step in story["steps"]]
    return sum(step["seconds"] or 0.0 for step in steps if (step["uses"] == "video") is videos)


def overhead(running: Service, count: int, runs: int) -> Record:
    """Run chains of steps one after the other."""
    spent = []
    for run in range(runs):
        (story,) = running.make(chain(count, run))
        spent.append((lasted(story) - work([story], videos=False)) / count * 1000)
    name = f"a step of a story besides its work, {count} in a row"
    return Record(name, "ms", median(spent), LIMIT_MS, "the limit", at_most(1))


def together(running: Service, count: int) -> Record:
    """Run stories of three scenes at once."""
    stories = running.make(*(scenes(3, 1000 + 3 * number) for number in range(count)))
    device, steps = work(stories, videos=True), work(stories, videos=False) / slots()
    note = f"the device worked {device:.1f} s; the runner {steps:.1f} s on each of its {slots()} slots"
    name = f"{count} stories of 3 scenes at once"
    return Record(
        name, "s", lasted(*stories), max(device, steps), "the slowest resource", at_most(1.15), note
    )


def change(running: Service, count: int) -> Record:
    """Make a story, then change one scene of it."""
    (whole,) = running.make(scenes(count, 2000))
    path = f"/v1/stories/{whole['id']}/revise"
    (revised,) = running.finished([running.submit(path, {"scenes": {"2": {"prompt": "a white star falls"}}})])
    reused = sum(step["reused"] for step in revised["steps"])
    note = f"{reused} of {len(revised['steps'])} steps were reused"
    name = f"a change of 1 scene of {count}"
    return Record(name, "s", lasted(revised), lasted(whole), "the whole story", at_most(0.2), note)


def cases(size: Size) -> list[Record]:
    """Start the service, make one story that does not count, and then measure."""
    with service() as running:
        running.make(scenes(1))
        return [
            overhead(running, size.of(full=20, quick=10, smallest=2), size.of(full=5, quick=2, smallest=1)),
            together(running, size.of(full=10, quick=3, smallest=1)),
            change(running, size.of(full=10, quick=10, smallest=2)),
        ]


if __name__ == "__main__":
    main(cases)
