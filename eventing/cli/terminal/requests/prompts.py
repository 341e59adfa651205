"""Read the prompts of a command: arguments, a file, standard input, or a question on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from eventing.contract.errors import InvalidRequest
from eventing.standalone.one_shot.question import ask_prompt

MOST = 1000  # prompts of one call


def read_requests(words: list[str] | None, file: Path | None) -> list[dict[str, Any]]:
    """Return the requests: words make one prompt; `-` and files have one a line, as text or JSON.

    Raises InvalidRequest, OSError.
    """
    if file and words:
        raise InvalidRequest("give a prompt or --file, not both", field="--file")
    if words == ["-"] or (file and str(file) == "-"):
        return _lines(_without_mark(sys.stdin), "standard input")
    if file:
        with file.open(encoding="utf-8-sig") as lines:
            return _lines(lines, str(file))
    if words:
        return [{"prompt": " ".join(words)}]
    return [{"prompt": ask_prompt()}]


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines without the byte order mark that some editors write first."""
    for number, line in enumerate(lines):
        yield line if number else line.removeprefix("\ufeff")


def _lines(lines: Iterable[str], name: str) -> list[dict[str, Any]]:
    try:
        requests = [
            _request(line.strip(), f"{name}, line {n}") for n, line in enumerate(lines, 1) if line.strip()
        ]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{name} is not UTF-8") from error
    if not requests:
        raise InvalidRequest(f"{name} has no prompt; put one on each line")
    if len(requests) > MOST:
        raise InvalidRequest(f"{name} has {len(requests)} prompts; one call takes {MOST}")
    return requests


def _request(line: str, where: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {"prompt": line}
    try:
        return dict(json.loads(line))
    except ValueError as error:
        raise InvalidRequest(f"{where} is not JSON: {error}") from error
