"""Make the table of values for the chart's README from the comments in values.yaml.

A comment that starts with `# -- ` documents the value right below it. It may go on over more comment lines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

KEY = re.compile(r"^( *)([A-Za-z0-9]+):")


def documented(text: str) -> Iterator[tuple[str, str]]:
    """Yield (dotted path, meaning) of every documented value."""
    stack: list[str] = []
    comment_lines: list[str] | None = None
    for line in text.splitlines():
        comment = line.strip().removeprefix("# ") if line.strip().startswith("# ") else None
        if comment is not None:
            further = comment_lines and [*comment_lines, comment]
            comment_lines = [comment[3:]] if comment.startswith("-- ") else further
            continue
        if match := KEY.match(line):
            stack = [*stack[: len(match[1]) // 2], match[2]]
            if comment_lines:
                yield ".".join(stack), " ".join(comment_lines)
        comment_lines = None


def default(values: Any, path: str) -> str:
    """Return the default of a value as JSON."""
    for step in path.split("."):
        values = values[step]
    return json.dumps(values)


def table(text: str) -> str:
    """Return a Markdown table: value, default, meaning."""
    values = yaml.safe_load(text)
    rows = [f"| `{path}` | `{default(values, path)}` | {what} |" for path, what in documented(text)]
    return "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])
