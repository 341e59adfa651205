"""Define the manifest of a story: what each of its steps was made of, what it left, its time and its cost."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from eventing.contract.records.models import Failure, Received, Status
from eventing.contract.records.results import StoredFile
from eventing.contract.records.steps import story_prefix


class ManifestStep(Received):
    """One step of a story that is over."""

    name: str
    uses: str
    version: int
    state: str
    fingerprint: str | None = Field(description="The same for steps that make the same outputs.")
    parameters: dict[str, Any]
    sources: dict[str, tuple[str, ...]] = Field(description="Of each input: outputs of steps, or addresses.")
    fetched: dict[str, StoredFile] = Field(description="The files that were at the addresses.")
    outputs: dict[str, StoredFile]
    reused: bool = Field(description="Whether the outputs are copies of those of an earlier equal step.")
    seconds: float | None = Field(description="Of one worker; null if none worked for it.")
    cost: float | None = Field(description="Null without a price.")
    job_id: str | None
    error: Failure | None


class StoryManifest(Received):
    """`manifest.json` in the folder of a story. It is written when the story is over."""

    version: Literal[1] = 1
    story: str = Field(description="Id of the story.")
    status: Status
    revised_from: str | None = Field(description="Id of the story of which this is a revision.")
    submitted_at: str
    completed_at: str | None
    request: dict[str, Any] = Field(description="As it was sent.")
    cost: float | None = Field(description="Of all steps; null without a price.")
    steps: tuple[ManifestStep, ...] = Field(description="In an order in which each follows what it needs.")


def story_manifest_key(story_id: str) -> str:
    """Return the key of the manifest of a story."""
    return story_prefix(story_id) + "manifest.json"
