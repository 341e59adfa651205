"""Check the names of inputs and outputs, which become names of files, and place them in a command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from steps.runner.failures import Failed

NAME = re.compile(r"^[a-z][a-z0-9_-]{0,62}$")


def checked(name: str) -> str:
    """Return a name that cannot lead out of a folder. Raises Failed."""
    if not NAME.match(name):
        raise Failed("invalid_request", f"{name!r} is no name of an input or output")
    return name


def placed(words: Sequence[str], folder: Path) -> list[str]:
    """Return the words of a command with its two folders and its file of parameters."""
    places = {"{inputs}": "inputs", "{outputs}": "outputs", "{parameters}": "parameters.json"}
    result = []
    for word in words:
        for mark, name in places.items():
            word = word.replace(mark, str(folder / name))  # noqa: PLW2901 - one mark after the other
        result.append(word)
    return result
