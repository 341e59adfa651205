"""Stories of a fault round: a runner whose steps can be held, a story of three steps, and what must hold.

    first ──► middle ──► last        Each step writes its word after those of its inputs.

`python -m tests.faults.stories FOLDER INPUTS OUTPUTS PARAMETERS` is the command of a step. It notes each run
in FOLDER, and waits while FOLDER has a file `hold-WORD`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from tests.faults.processes import ROOT, Child
from tests.faults.world import World
from tests.support.ports import free_port

WORDS = ("first", "middle", "last")
STEP_TYPE: dict[str, Any] = {
    "name": "word",
    "title": "A word after those of the inputs",
    "inputs": {"texts": {"media": ["text/plain"], "many": True, "required": False}},
    "outputs": {"text": {"media": "text/plain"}},
    "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
    "run": {"kind": "command", "words": ["word"]},
    "budget": {"cold_start_seconds": 60, "generation_seconds": 300},
}
ENDS = ("completed", "failed", "cancelled")


class StoryRound:
    """A story of a round."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.folder / "steps"
        self.folder.mkdir()
        self.id = ""
        self.port = free_port()
        self.runner: Child | None = None
        kinds = world.folder / "step-types"
        kinds.mkdir()
        (kinds / "word.yaml").write_text(yaml.safe_dump(STEP_TYPE))
        endpoint = {"name": "words", "types": ["word"], "url": f"http://127.0.0.1:{self.port}", "capacity": 2}
        world.settings |= {
            "REELZERO_STEPS_DIR": str(kinds), "REELZERO_STEP_ENDPOINTS": json.dumps([endpoint]),
        }  # fmt: skip

    async def run(self) -> None:
        """Start the runner, the product's own."""
        words = [sys.executable, "-m", "tests.faults.stories", str(self.folder)]
        words += ["{inputs}", "{outputs}", "{parameters}"]
        env = self.world.shared.environment | {
            "REELZERO_STEPS": json.dumps({"word": words}), "PORT": str(self.port), "PYTHONPATH": str(ROOT),
            "REELZERO_RUNNER_HOST": "127.0.0.1", "REELZERO_SLOTS": "2",
            "REELZERO_SCRATCH_DIR": str(self.world.folder),
        }  # fmt: skip
        log = self.world.folder / "runner.log"
        self.runner = self.world.workers["runner"] = await self.world.shared.light.start(
            "steps.runner.__main__:main", log, env
        )

    async def submit(self) -> None:
        """Send the story, by an event, until it is accepted."""
        steps: dict[str, Any] = {}
        for number, word in enumerate(WORDS):
            inputs = {"texts": [f"{WORDS[number - 1]}.text"]} if number else {}
            steps[word] = {"uses": "word", "with": {"word": word}, "inputs": inputs}
        story = await self.world.call("PUT", "/v1/stories/one", {"steps": steps})
        self.id = story["id"]

    def hold(self, word: str) -> None:
        (self.folder / f"hold-{word}").touch()

    def release(self) -> None:
        for path in self.folder.glob("hold-*"):
            path.unlink()

    async def held(self, word: str) -> None:
        """Wait until a step is held."""

        async def reached() -> bool:
            return word in self.runs()

        await self.world.until(f"the step {word}", reached)

    async def view(self) -> dict[str, Any]:
        return dict(await self.world.call("GET", f"/v1/stories/{self.id}"))

    async def ended(self) -> dict[str, Any]:
        async def over() -> bool:
            return (await self.view())["status"] in ENDS

        await self.world.until(f"the end of {self.id}", over)
        return await self.view()

    def runs(self) -> Counter[str]:
        """How often the command of each step began."""
        return Counter(path.name.split(".")[1] for path in self.folder.glob("run.*"))

    async def check(self, repeats: int) -> None:
        """Require one film: each step once, its text whole, one event for each step and one for the end."""
        story = await self.ended()
        assert story["status"] == "completed", story
        texts = [await self._text(step) for step in story["steps"]]
        assert sorted(texts, key=len) == ["first", "first middle", "first middle last"]
        assert sum(count - 1 for count in self.runs().values()) <= repeats, self.runs()
        await self._events(["step.completed"] * len(WORDS) + ["completed"])

    async def _text(self, step: dict[str, Any]) -> str:
        async with self.world.http.get(self.world.replicas[0].url + step["outputs"]["text"]["url"]) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.text()

    async def _events(self, kinds: list[str]) -> None:
        """Wait for the events of the story. Each has one id, however often it was sent."""
        wanted = [f"dev.reelzero.story.{kind}.v1" for kind in ["started", *kinds]]

        async def there() -> bool:
            return len(self._sent()) >= len(wanted)

        await self.world.until("the events of the story", there)
        assert sorted(self._sent().values()) == sorted(wanted)

    def _sent(self) -> dict[str, str]:
        events = [delivery.event for delivery in self.world.listener.at("/sink")]
        return {event["id"]: event["type"] for event in events if ".story." in event["type"]}


async def prepared(world: World, **env: str) -> StoryRound:
    """Return a world with a runner and one replica, without a story yet."""
    story = StoryRound(world)
    await story.run()
    await world.serve(**env)  # type: ignore[arg-type] # `replicas` is not among them
    return story


def main(folder: Path, inputs: Path, outputs: Path, parameters: Path) -> None:
    """Write the word of a step."""
    word = json.loads(parameters.read_text())["word"]
    (folder / f"run.{word}.{os.getpid()}.{time.time_ns()}").touch()
    while (folder / f"hold-{word}").exists():
        time.sleep(0.02)
    before = sorted((inputs / "texts").iterdir()) if (inputs / "texts").is_dir() else []
    (outputs / "text").write_text(" ".join([*(path.read_text() for path in before), word]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
