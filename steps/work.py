"""Define what a step is given, and what it says when it cannot do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class StepError(Exception):
    """A step cannot make its outputs from these inputs. The text is for its user."""


class Parameters(BaseModel):
    """The parameters of a step. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Work:
    """Files that exist, files to make, and parameters as they were sent.

    `progress` takes the share that is done, 0 to 1. It raises where the step has been cancelled.
    """

    inputs: Mapping[str, tuple[Path, ...]]
    outputs: Mapping[str, Path]
    parameters: Mapping[str, Any]
    progress: Callable[[float], None]

    def one(self, name: str) -> Path:
        """Return the file of an input. Raises StepError without one."""
        if not (files := self.inputs.get(name)):
            raise StepError(f"inputs.{name}: missing")
        return files[0]

    def maybe(self, name: str) -> Path | None:
        """Return the file of an input; None without one."""
        return next(iter(self.inputs.get(name, ())), None)
