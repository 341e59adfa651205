"""The limits of bench.gpu: how much it measures, until when, and what becomes of a measurement that fails."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from bench.harness.records import Record, Target, not_run

Pair = tuple[float, float, str]  # ours, the peer's, a note


class TimeOver(Exception):
    """The time of a model is over."""


@dataclass(frozen=True)
class Budget:
    """What one model gets. `where` goes into the note of every record."""

    device: str
    where: str
    steps: int  # measured, after one that is not
    rounds: int
    end: float  # of time.perf_counter

    @property
    def on_card(self) -> bool:
        """Tell whether this is a GPU."""
        return self.device != "cpu"

    def require_time(self) -> None:
        """Raise TimeOver after the end."""
        if time.perf_counter() > self.end:
            raise TimeOver

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        if self.on_card:
            torch.cuda.synchronize()

    def not_run(
        self, name: str, unit: str, versus: str, error: Exception, target: Target | None = None
    ) -> Record:
        """Return the record of a measurement that failed."""
        reason = "the time of this model was over" if isinstance(error, TimeOver) else _first_line(error)
        return not_run(name, unit, versus, f"[not run] {reason}; {self.where}", target)

    def record(
        self, name: str, unit: str, versus: str, measure: Callable[[], Pair], target: Target | None = None
    ) -> Record:
        """Measure, or say why not. Targets are those of a card."""
        target = target if self.on_card else None
        try:
            self.require_time()
            ours, peer, note = measure()
        except Exception as error:  # of one measurement: the others go on
            return self.not_run(name, unit, versus, error, target)
        notes = "; ".join(filter(None, [note, self.where]))
        return Record(name, unit, ours, peer, versus, target, notes)


def free_memory() -> None:
    """Give the memory of a model that nothing names any more back to the card."""
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
