"""Find the weights of each model on this machine, and check them before a job is taken.

A folder is checked when it is new or one of its files has changed, every few seconds in a thread. A request
reads the last result from memory. The check is the one that a predictor makes before it loads.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from eventing.contract.catalog import CatalogEntry
from eventing.contract.env import WeightsSettings
from eventing.contract.errors import ModelUnavailable
from eventing.contract.storage.weights import check_folder

CHECK_SECONDS = 5.0
COMMIT = re.compile("[0-9a-f]{40}")
Stamp = frozenset[tuple[Path, int, int]]  # path, time of its last change (ns) and bytes of every file


@dataclass(frozen=True)
class Places:
    """Where weights can be: the operator's folder of models, the folder of built ones, the settings."""

    models_dir: Path | None
    data_dir: Path
    settings: WeightsSettings

    def folder(self, entry: CatalogEntry) -> Path | None:
        """Return the folder that a predictor will load; None if it will download, build or unpack it.

        Raises ModelUnavailable saying where the weights should be.
        """
        if not entry.has_weights:
            return None
        if folder := own_folder(entry, self.models_dir, self.data_dir):
            return folder if entry.repository or entry.bundled or folder.is_dir() else None
        if folder := self.settings.weights_folder():
            return folder
        if entry.bundled or self.settings.allow_download:
            return None
        return self._cached(entry)

    def _cached(self, entry: CatalogEntry) -> Path:
        repository = entry.repository or ""
        if folder := find_snapshot(repository, entry.revision):
            return folder
        place = f"in {self.models_dir / entry.name}" if self.models_dir else "in a folder of --models-dir"
        raise ModelUnavailable(
            f"the weights of {entry.name} are missing: put {repository} at {entry.revision} {place}, or set "
            "REELZERO_ALLOW_DOWNLOAD=true to fetch it from the Hugging Face Hub"
        )


def own_folder(entry: CatalogEntry, models_dir: Path | None, data_dir: Path) -> Path | None:
    """Return the folder that this edition sets for a predictor; None if the predictor finds its weights.

    Weights that can neither be downloaded nor unpacked are built there first: those of `tiny`.
    """
    if not entry.has_weights:
        return None
    if models_dir and (folder := models_dir / entry.name).is_dir():
        return folder
    return None if entry.repository or entry.bundled else data_dir / "models" / entry.name


def find_snapshot(repository: str, revision: str) -> Path | None:
    """Return the folder of a revision in the cache of huggingface_hub, if it is there.

    That library is only installed with the predictor. It writes `refs/BRANCH` with a commit, and
    `snapshots/COMMIT`; a test compares.
    """
    home = hub_cache() / f"models--{repository.replace('/', '--')}"
    commit = revision if COMMIT.fullmatch(revision) else _read(home / "refs" / revision)
    snapshot = home / "snapshots" / commit
    return snapshot if commit and snapshot.is_dir() else None


class WeightsWatch:
    """Knows which models have no complete weights. `check` blocks for as long as the disk takes."""

    def __init__(self, entries: Iterable[CatalogEntry], places: Places) -> None:
        self._entries = tuple(entries)
        self._places = places
        self._results: dict[str, tuple[Stamp, str | None]] = {}
        self.complete: dict[str, Path] = {}  # folders of weights that were whole, by model

    def obstacle(self, model: str) -> str | None:
        """Return what is wrong with a model's weights by the last check; None if nothing is."""
        _, reason = self._results.get(model, (None, None))
        return reason

    def check(self) -> None:
        """Check every model whose files have changed."""
        for entry in self._entries:
            self._results[entry.name] = self._checked(entry)

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await asyncio.to_thread(self.check)

    def _checked(self, entry: CatalogEntry) -> tuple[Stamp, str | None]:
        try:
            folder = self._places.folder(entry)
        except ModelUnavailable as error:
            return frozenset(), error.message
        except OSError as error:
            return frozenset(), f"the weights of {entry.name} cannot be read: {error}"
        if folder is None:
            return frozenset(), None
        stamp = _stamp(folder)
        last, reason = self._results.get(entry.name, (None, None))
        reason = reason if last == stamp else _fault(entry, folder)
        if reason is None:
            self.complete = {**self.complete, entry.name: folder}  # read by another thread
        return stamp, reason


def _fault(entry: CatalogEntry, folder: Path) -> str | None:
    try:
        check_folder(folder)
    except ModelUnavailable as error:
        return f"the weights of {entry.name} are not complete: {error.message}"
    return None


def _stamp(folder: Path) -> Stamp:
    """Return what changes when a file of the folder does. A cache has links, so links are followed."""
    stamp = {(folder, 0, 0)}
    for root, _, names in os.walk(folder):
        for path in (Path(root, name) for name in names):
            try:
                status = path.stat()
            except OSError:
                continue  # a link to nothing, or removed just now
            stamp.add((path, status.st_ctime_ns, status.st_size))
    return frozenset(stamp)


def hub_cache() -> Path:
    """Return the cache folder by the variables of huggingface_hub."""
    home = os.environ.get("HF_HOME") or os.environ.get("XDG_CACHE_HOME", "~/.cache") + "/huggingface"
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or home + "/hub"
    return Path(os.path.expandvars(hub)).expanduser()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
