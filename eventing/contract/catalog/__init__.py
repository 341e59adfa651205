"""Hold the models that are known here: the package's entries, one YAML file each, and an operator's.

rules.py says which frames and sizes a model makes, tasks.py what it makes videos from, entry.py turns a
request into a spec, and files.py reads the YAML.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from eventing.contract.catalog.entry import CatalogEntry, Tier, Tiers
from eventing.contract.catalog.files import read_folder
from eventing.contract.catalog.rules import FrameRule, SideRule
from eventing.contract.catalog.tasks import Task, Tasks
from eventing.contract.errors import InvalidRequest

__all__ = [
    "HERE",
    "Catalog",
    "CatalogEntry",
    "FrameRule",
    "SideRule",
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
    entries = read_folder(HERE) | (read_folder(extra) if extra else {})
    return Catalog(tuple(entries.values()))
