"""Every promise of docs/guarantees.md names tests, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.faults.registry import load

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/guarantees.md").read_text()
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| Promise")]
# The pages for operators name what shows their lines in the same way.
LINES = [*ROWS, *(line for page in ROOT.glob("docs/operate/*.md") for line in page.read_text().splitlines())]
NAMED = sorted({name for line in LINES for name in re.findall(r"`(tests/\S+?::\S+?)`", line)})
FAULTS = sorted({name for line in LINES for name in re.findall(r"`fault:(\S+?)`", line)})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:40])
def test_every_promise_names_what_shows_it(row: str) -> None:
    assert re.search(r"`(tests/|fault:)\S+`", row.rsplit(" | ", maxsplit=1)[-1])


@pytest.mark.parametrize("name", NAMED)
def test_every_named_test_exists(name: str) -> None:
    path, _, test = name.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    assert test in {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("name", FAULTS)
def test_every_named_fault_exists(name: str) -> None:
    assert name in load()


def test_the_page_is_not_empty() -> None:
    assert len(ROWS) > 20 and len(NAMED) > 15 and len(FAULTS) > 30
