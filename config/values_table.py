"""The table of values in the chart's README, from the comments in values.yaml.

A value is documented by a comment that starts with `# -- `, right above it; more comment lines may follow.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

KEY = re.compile(r"^( *)([A-Za-z0-9]+):")


def documented(text: str) -> Iterator[tuple[str, str]]:
    """(dotted path, meaning) of every documented value."""
    stack: list[str] = []
    said: list[str] | None = None
    for line in text.splitlines():
        comment = line.strip().removeprefix("# ") if line.strip().startswith("# ") else None
        if comment is not None:
            said = [comment[3:]] if comment.startswith("-- ") else said and [*said, comment]
            continue
        if match := KEY.match(line):
            stack = [*stack[: len(match[1]) // 2], match[2]]
            if said:
                yield ".".join(stack), " ".join(said)
        said = None


def default(values: Any, path: str) -> str:
    """The default of a value, as JSON."""
    for step in path.split("."):
        values = values[step]
    return json.dumps(values)


def table(text: str) -> str:
    """Markdown rows: value, default, meaning."""
    values = yaml.safe_load(text)
    rows = [f"| `{path}` | `{default(values, path)}` | {what} |" for path, what in documented(text)]
    return "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])
