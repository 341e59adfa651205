"""Small builders for tests of stories: steps, files, and a story of two scenes and a film."""

from __future__ import annotations

import hashlib
from typing import Any

from eventing.contract.records.results import StoredFile
from eventing.domain.story import Story, StoryStep

MEDIA = {"film": "video/mp4", "clip": "video/mp4", "subtitles": "text/vtt", "poster": "image/jpeg"}


def step(name: str, *needs: str, uses: str = "fit", **fields: Any) -> StoryStep:
    """A step that waits, and takes one clip of each step that it needs."""
    values: dict[str, Any] = {
        "version": 1,
        "parameters": {"width": 64},
        "sources": {"clips": tuple(f"{need}.clip" for need in needs)},
        "needs": frozenset(needs),
        "seconds": 1.0,
    }
    return StoryStep(name=name, uses=uses, **values | fields)


def files(step_name: str, *outputs: str) -> dict[str, StoredFile]:
    """Outputs of a step, each with other bytes."""
    return {
        output: StoredFile(
            uri=f"s3://reelzero/stories/story_1/{step_name}/{output}",
            sha256=hashlib.sha256(f"{step_name}.{output}".encode()).hexdigest(),
            bytes=1000,
            content_type=MEDIA[output],
        )
        for output in outputs
    }


def make_story(**changes: Any) -> Story:
    """A queued story: the scenes one and two, and the film of both."""
    steps = (step("one"), step("two"), step("film", "one", "two", uses="film", seconds=2.0))
    values: dict[str, Any] = {
        "id": "story_1",
        "owner": "ann",
        "steps": steps,
        "submitted_at": 100.0,
        "updated_at": 100.0,
    }
    return Story(**values | changes)
