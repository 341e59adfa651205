"""Hold the models and adapters that are known here: one YAML file each, the package's and an operator's.

rules.py says which frames, sizes and sound a model makes, tasks.py what it makes videos from, tiers.py what
a quality means. loras.py has the adapters, entry.py turns a request into a spec, and files.py reads the YAML.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from eventing.contract.catalog.agreement import require_agreement
from eventing.contract.catalog.engine import Dialect, Engine
from eventing.contract.catalog.entry import CatalogEntry
from eventing.contract.catalog.files import read_folder
from eventing.contract.catalog.loras import LoraEntry
from eventing.contract.catalog.rules import FrameRule, SideRule, SoundRule
from eventing.contract.catalog.tasks import Task, Tasks
from eventing.contract.catalog.tiers import Tier, Tiers
from eventing.contract.errors import InvalidRequest

__all__ = [
    "HERE",
    "Catalog",
    "CatalogEntry",
    "Dialect",
    "Engine",
    "FrameRule",
    "LoraEntry",
    "SideRule",
    "SoundRule",
    "Task",
    "Tasks",
    "Tier",
    "Tiers",
    "load_catalog",
]
HERE = Path(__file__).parent


class Catalog:
    """All entries, by name."""

    def __init__(self, entries: tuple[CatalogEntry, ...]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._entries)

    def entries(self) -> list[CatalogEntry]:
        """Return all entries, sorted by name."""
        return [self._entries[name] for name in self.names()]

    def get(self, name: str) -> CatalogEntry:
        """Return the entry of a name. Raises InvalidRequest that lists the names."""
        try:
            return self._entries[name]
        except KeyError:
            known = ", ".join(self.names())
            raise InvalidRequest(f"unknown model {name!r}; known here: {known}", field="model") from None

    def only(self, names: set[str]) -> Catalog:
        """Return a catalog of these names only: the models that a deployment serves."""
        return Catalog(tuple(self.get(name) for name in sorted(names)))


@cache
def load_catalog(extra: Path | None = None) -> Catalog:
    """Read the package's entries and an operator's, which replace those of the same name.

    Raises ConfigurationError.
    """
    entries = read_folder(HERE)
    if extra:
        entries = entries.under(read_folder(extra))
    require_agreement(entries)
    return Catalog(tuple(entry.among(entries.loras) for entry in entries.models.values()))
