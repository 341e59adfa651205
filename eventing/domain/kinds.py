"""Define the kinds of jobs: what each is to make, and what it leaves."""

from __future__ import annotations

from enum import StrEnum

from eventing.contract.records.models import GenerationSpec
from eventing.contract.records.results import VideoResult
from eventing.contract.records.steps import StepResult, StepSpec

Spec = GenerationSpec | StepSpec
Result = VideoResult | StepResult


class Kind(StrEnum):
    """What a job makes: a video of a model, or the outputs of another step of a story."""

    video = "video"
    step = "step"
