"""Derive the seeds of video steps that name none, from what they show. Pure.

So a scene that a revision leaves as it is keeps its seed, wherever it is in the film, and its video is used
again. Of equal ones each has another seed.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence

from eventing.contract.stories.graph import Step
from eventing.stories.inline import content_of


def seeds(steps: Sequence[Step]) -> dict[str, int]:
    """Return the seeds of the video steps without one, by name. The steps are in their order of need."""
    contents: dict[str, str] = {}
    equal: Counter[str] = Counter()
    drawn: dict[str, int] = {}
    for step in steps:
        contents[step.name] = content = _content(step, contents)
        if step.video and step.request.parameters.get("seed") is None:
            drawn[step.name] = int(_digest([content, equal[content]])[:8], 16)
            equal[content] += 1
    return drawn


def _content(step: Step, contents: Mapping[str, str]) -> str:
    """Return the same text for steps that show the same, whatever their names."""
    inputs = {
        name: [_of_source(source, contents) for source in step.request.sources(name)]
        for name in step.request.inputs
    }
    return _digest([step.request.uses, step.request.parameters, inputs])


def _of_source(source: str, contents: Mapping[str, str]) -> str:
    name, _, output = source.partition(".")
    return f"{contents[name]}.{output}" if name in contents else content_of(source)


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
