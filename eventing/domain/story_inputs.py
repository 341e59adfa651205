"""Find the files of a step's inputs, and tell by them which steps make the same outputs. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from eventing.contract.records.results import StoredFile
from eventing.domain.story import Story, StoryStep

Files = Mapping[str, tuple[StoredFile, ...]]


class MissingOutput(ValueError):
    """An input names an output that its step did not write."""


def inputs_of(story: Story, step: StoryStep) -> Files:
    """Return the files of a step's inputs, once the steps that it needs are completed.

    Raises MissingOutput if one of them left an output out that is optional.
    """
    steps = story.by_name
    return {
        name: tuple(_file_of(f"inputs.{name}", source, step, steps) for source in sources)
        for name, sources in step.sources.items()
        if sources
    }


def fingerprint(step: StoryStep, inputs: Files, recipe: str = "") -> str:
    """Return the same text for steps that make the same outputs: type, version, parameters, inputs' bytes.

    `recipe` is what else changes the outputs: of a video its model's entry, with the release.
    """
    digests = {name: [file.sha256 for file in files] for name, files in inputs.items()}
    facts = [step.uses, step.version, step.parameters, digests, recipe]
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _file_of(path: str, source: str, step: StoryStep, steps: Mapping[str, StoryStep]) -> StoredFile:
    if file := step.fetched.get(source):
        return file
    name, _, output = source.partition(".")
    if file := steps[name].outputs.get(output):
        return file
    raise MissingOutput(f"{path}: the step {name} left no {output}, which it may leave out")
