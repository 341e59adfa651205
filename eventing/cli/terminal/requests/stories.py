"""Read the file of a story, YAML or JSON, and put the files that it names into it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from eventing.contract.errors import InvalidRequest
from eventing.contract.records.pictures import inline
from eventing.contract.stories.document import ADDRESS, OUTPUT


def read_story(file: Path) -> dict[str, Any]:
    """Return the story of a file, or of standard input (`-`). Paths in it begin at its folder.

    Raises InvalidRequest that names the line, or the field whose file cannot be read; OSError.
    """
    is_input = str(file) == "-"
    name = "standard input" if is_input else str(file)
    try:
        text = sys.stdin.read() if is_input else file.read_text(encoding="utf-8-sig")
        story: Any = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is not UTF-8") from error
    except yaml.YAMLError as error:
        raise InvalidRequest(f"{name} is neither YAML nor JSON: {error}") from error
    if not isinstance(story, dict):
        raise InvalidRequest(f"{name} is no story: it needs scenes or steps, see docs/stories/README.md")
    return with_files(story, Path() if is_input else file.parent)


def with_files(story: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a story with the local files of its pictures, music and inputs inside."""
    result = dict(story)
    if isinstance(scenes := story.get("scenes"), list):
        result["scenes"] = [
            _fields(scene, ("image",), f"scenes[{n}]", folder) for n, scene in enumerate(scenes)
        ]
    elif isinstance(scenes, dict):  # the changed ones of a revision, from 1
        result["scenes"] = {
            n: _fields(scene, ("image",), f"scenes.{n}", folder) for n, scene in scenes.items()
        }
    if "film" in story:
        result["film"] = _fields(story["film"], ("music",), "film", folder)
    if isinstance(steps := story.get("steps"), dict):
        result["steps"] = {
            name: _step(step, f"steps.{name}.inputs", folder, steps) for name, step in steps.items()
        }
    return result


def _fields(part: Any, names: tuple[str, ...], path: str, folder: Path) -> Any:
    if not isinstance(part, dict):
        return part
    return part | {name: _source(part[name], f"{path}.{name}", folder) for name in names if name in part}


def _step(step: Any, path: str, folder: Path, steps: dict[str, Any]) -> Any:
    inputs = step.get("inputs") if isinstance(step, dict) else None
    if not isinstance(inputs, dict):
        return step
    return step | {
        "inputs": {name: _input(each, f"{path}.{name}", folder, steps) for name, each in inputs.items()}
    }


def _input(value: Any, path: str, folder: Path, steps: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_input(each, f"{path}[{number}]", folder, steps) for number, each in enumerate(value)]
    if isinstance(value, str) and (output := OUTPUT.match(value)) and output[1] in steps:
        return value
    return _source(value, path, folder)


def _source(value: Any, path: str, folder: Path) -> Any:
    """Return the bytes of a file as a data: address. What is an address already, and no text, stays."""
    if not isinstance(value, str) or ADDRESS.match(value):
        return value
    try:
        return inline((folder / value).read_bytes())
    except OSError as error:
        if OUTPUT.match(value) and isinstance(error, FileNotFoundError):
            return value  # of a step of an earlier story, or a wrong name: the server tells
        raise InvalidRequest(
            f"{path}: {folder / value} cannot be read: {error.strerror}; name a file or an https:// address",
            field=path,
        ) from error
