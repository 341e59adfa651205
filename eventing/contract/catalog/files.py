"""Read catalog entries from YAML files, and say everything that is wrong in one, with its file and key."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from eventing.contract.catalog.entry import CatalogEntry
from eventing.contract.errors import ConfigurationError
from eventing.contract.validation import Words, all_problems

SETTING = "REELZERO_CATALOG_DIR"


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


def read_folder(folder: Path) -> dict[str, CatalogEntry]:
    """Read every entry of a folder, by name. Raises ConfigurationError naming the folder or the file."""
    if not folder.is_dir():
        raise _error(f"the catalog folder {folder} is missing or no folder")
    entries: dict[str, CatalogEntry] = {}
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*.yaml")):
        entry = read_entry(path)
        if entry.name in entries:
            raise _error(f"catalog entry {path} is not valid: name: {files[entry.name]} has {entry.name} too")
        entries[entry.name], files[entry.name] = entry, path
    if not entries:
        raise _error(f"the catalog folder {folder} holds no *.yaml file")
    return entries


def read_entry(path: Path) -> CatalogEntry:
    """Read one file. Raises ConfigurationError naming it and every wrong key."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), StrictLoader)  # noqa: S506 - a SafeLoader
        entry = CatalogEntry.model_validate(data)
        return entry if entry.created else entry.model_copy(update={"created": int(path.stat().st_mtime)})
    except ValidationError as error:
        words = Words(CatalogEntry.model_fields)
        sentences = [problem.sentence("the entry") for problem in all_problems(error, words)]
        raise _error(f"catalog entry {path} is not valid: {'; '.join(sentences)}") from error
    except UnicodeDecodeError as error:
        raise _error(f"catalog entry {path} is not valid: the text is not UTF-8") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise _error(f"catalog entry {path} is not valid: {error}") from error


def _error(message: str) -> ConfigurationError:
    return ConfigurationError(message, field=SETTING)
