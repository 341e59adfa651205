"""Define what rank 0 and another rank write into the channel between them, a socket pair."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventing.contract.catalog import CatalogEntry
from eventing.contract.records.models import GenerationSpec
from predictor.models.loras import LoraFiles
from predictor.settings import PredictorSettings

if TYPE_CHECKING:
    from predictor.models.pipelines import Pictures

PATIENCE = 30.0  # seconds in which all ranks leave a video that one of them has left


@dataclass(frozen=True)
class Weights:
    """The first message: what a rank loads into its memory. `device` is where it runs afterwards."""

    entry: CatalogEntry
    settings: PredictorSettings
    folder: Path
    device: str = "cpu"
    rank: int = 0


@dataclass(frozen=True)
class Join:
    """All ranks have their weights: meet at a file, and share the transformer from now on."""

    file: Path


@dataclass(frozen=True)
class Video:
    """The steps of one video, which all ranks run at the same time. The embeddings are on the CPU.

    `loras` are the adapters to turn on, each with its scale.
    """

    spec: GenerationSpec
    loras: tuple[tuple[LoraFiles, float], ...]
    embeds: dict[str, Any]
    pictures: Pictures


@dataclass(frozen=True)
class Settled:
    """Every rank has left a video that failed, so that the next one may come."""


@dataclass(frozen=True)
class End:
    """End at once."""


@dataclass(frozen=True)
class Report:
    """The answer to `Weights`, `Join` and `Video`: None, or the failure in words."""

    rank: int
    failure: str | None = None


def send(connection: Connection, message: object) -> None:
    """Write a message. Raises OSError if the other process has ended."""
    # Not connection.send: torch replaces its pickling, and tensors would travel as shared files.
    connection.send_bytes(pickle.dumps(message))


def receive(connection: Connection) -> Any:
    """Wait for a message. Raises EOFError or OSError if the other process has ended."""
    return pickle.loads(connection.recv_bytes())  # noqa: S301 - the other end is a process of this predictor
