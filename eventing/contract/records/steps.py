"""Define the job of a step: what it is to make of which files, what it left, and where that lies in S3."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from eventing.contract.records.frozen import Frozen, Received
from eventing.contract.records.results import StoredFile

STORIES = "stories/"  # prefix of the objects of all stories


class StepSpec(Frozen):
    """What a step makes its outputs of. Equal ones make equal outputs."""

    step: str = Field(description="Name of the step type.")
    version: int
    parameters: dict[str, Any] = Field(default_factory=dict)
    inputs: dict[str, tuple[StoredFile, ...]] = Field(default_factory=dict, description="In their order.")


class StepResult(Received):
    """The result of one successful attempt of a step; also its manifest, which is written last and once."""

    job_id: str
    attempt: int
    step: str
    version: int
    outputs: dict[str, StoredFile]
    seconds: dict[str, float] = Field(description="Of each stage: fetch, run, upload.")
    manifest_uri: str


def story_prefix(story_id: str) -> str:
    """Return the key prefix of a story's objects."""
    return f"{STORIES}{story_id}/"


def step_prefix(story_id: str, step: str) -> str:
    """Return the key prefix of the objects of one step of a story."""
    return f"{story_prefix(story_id)}{step}/"


def step_attempt_prefix(story_id: str, step: str, job_id: str, attempt: int) -> str:
    """Return the key prefix of one attempt of a step."""
    return f"{step_prefix(story_id, step)}{job_id}-{attempt:04d}/"


def step_manifest_key(story_id: str, step: str, job_id: str, attempt: int) -> str:
    """Return the key of the manifest of an attempt."""
    return step_attempt_prefix(story_id, step, job_id, attempt) + "manifest.json"
