"""Find the result of a story among the files of its steps. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eventing.contract.records.results import StoredFile
from eventing.contract.stories.types import fits
from eventing.domain.story import Story


@dataclass(frozen=True)
class StoryResult:
    """The files in which a story ends. Each is None if no last step left such a file."""

    film: StoredFile | None
    subtitles: StoredFile | None
    poster: StoredFile | None


def result_of(story: Story) -> StoryResult:
    """Return the first video, subtitles and picture of the steps that no other step needs, the last first."""
    files = list(_last_files(story))

    def first(media: str) -> StoredFile | None:
        return next((file for file in files if fits(file.content_type, media)), None)

    return StoryResult(first("video/*"), first("text/vtt"), first("image/*"))


def _last_files(story: Story) -> Iterator[StoredFile]:
    needed = frozenset[str]().union(*(step.needs for step in story.steps))
    for step in reversed(story.steps):
        if step.name not in needed:
            yield from step.outputs.values()
