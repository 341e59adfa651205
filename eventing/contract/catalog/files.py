"""Read catalog entries from YAML files, and say everything that is wrong in one, with its file and key."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from eventing.contract.catalog.entry import CatalogEntry
from eventing.contract.catalog.loras import LoraEntry
from eventing.contract.codecs.validation import Words, all_problems
from eventing.contract.errors import ConfigurationError
from eventing.contract.records.frozen import Frozen

SETTING = "REELZERO_CATALOG_DIR"
T = TypeVar("T", bound=Frozen)
Wrong = Callable[[Path, str], ConfigurationError]


class StrictLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key that is repeated: YAML would silently take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping. Raises MarkedYAMLError with the line of a repeated key."""
        earlier: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in earlier:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is repeated", key_node.start_mark
                )
            earlier.add(key)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Entries:
    """The models and the adapters of one folder or more by name, and the file of each."""

    models: Mapping[str, CatalogEntry]
    loras: Mapping[str, LoraEntry]
    files: Mapping[tuple[str, str], Path]  # by kind and name

    def under(self, other: Entries) -> Entries:
        """Return the entries of both; the other's replace those of the same name."""
        return Entries(
            {**self.models, **other.models}, {**self.loras, **other.loras}, {**self.files, **other.files}
        )


def read_folder(folder: Path) -> Entries:
    """Read every entry of a folder. Raises ConfigurationError naming the folder or the file."""
    if not folder.is_dir():
        raise _error(f"the catalog folder {folder} is missing or no folder")
    models: dict[str, CatalogEntry] = {}
    loras: dict[str, LoraEntry] = {}
    files: dict[tuple[str, str], Path] = {}
    for path in sorted(folder.glob("*.yaml")):
        entry = read_entry(path)
        kind = "lora" if isinstance(entry, LoraEntry) else "model"
        if earlier := files.get((kind, entry.name)):
            raise wrong(path, f"name: {earlier} has {entry.name} too")
        files[kind, entry.name] = path
        if isinstance(entry, LoraEntry):
            loras[entry.name] = entry
        else:
            models[entry.name] = entry
    if not files:
        raise _error(f"the catalog folder {folder} holds no *.yaml file")
    return Entries(models, loras, files)


def read_entry(path: Path) -> CatalogEntry | LoraEntry:
    """Read one file: an adapter if its `kind` is lora. Raises ConfigurationError naming every wrong key."""
    data = read_yaml(path, wrong)
    if isinstance(data, dict) and "kind" in data:
        return valid_record(LoraEntry, data, path, "the entry", wrong)
    entry = valid_record(CatalogEntry, data, path, "the entry", wrong)
    return entry if entry.created else entry.model_copy(update={"created": int(path.stat().st_mtime)})


def wrong(path: Path, problem: str) -> ConfigurationError:
    """Return the error for an entry."""
    return _error(f"catalog entry {path} is not valid: {problem}")


def read_yaml(path: Path, wrong: Wrong) -> Any:
    """Return what a file of YAML holds. Raises the error that `wrong` makes of a problem."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), StrictLoader)  # noqa: S506 - a SafeLoader
    except UnicodeDecodeError as error:
        raise wrong(path, "the text is not UTF-8") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise wrong(path, str(error)) from error


def valid_record(kind: type[T], data: Any, path: Path, what: str, wrong: Wrong) -> T:
    """Return the record of a file. Raises the error that `wrong` makes of every wrong field of `what`."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        words = Words(kind.model_fields)
        sentences = [problem.sentence(what) for problem in all_problems(error, words)]
        raise wrong(path, "; ".join(sentences)) from error


def _error(message: str) -> ConfigurationError:
    return ConfigurationError(message, field=SETTING)
