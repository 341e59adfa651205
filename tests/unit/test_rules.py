"""Rules of the house that a linter does not know."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "kserve", "diffusers", "transformers", "predictor", "accelerate", "av", "numpy"}
FROM_EVENTING = {"contract"}
SOURCES = sorted((ROOT / "eventing").rglob("*.py"))
PREDICTOR = sorted((ROOT / "predictor").rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_eventing_stays_light(path: Path) -> None:
    heavy = [name for name in imports(path) if name.split(".")[0] in HEAVY]
    assert not heavy, f"{path} imports {heavy}: eventing holds no GPU and no model"


def test_eventing_stays_light_when_it_runs() -> None:
    code = (
        "import sys, eventing.cli; print([m for m in ('torch', 'kserve', 'diffusers') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "[]"


@pytest.mark.parametrize("path", PREDICTOR, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_predictor_takes_only_the_shared_words_from_eventing(path: Path) -> None:
    for name in imports(path):
        if name.startswith("eventing."):
            assert name.split(".")[1] in FROM_EVENTING, f"{path} imports {name}"


@pytest.mark.parametrize("path", SOURCES + PREDICTOR, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_its_purpose_and_stays_one_room(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{path} does not say what it is for"
    assert text.count("\n") <= 300, f"{path} has grown past one room"


@pytest.mark.parametrize("path", SOURCES + PREDICTOR, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_cancellation_is_lost(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    lost = [node.lineno for node in calls if node.attr == "wait_for" and ast.unparse(node.value) == "asyncio"]
    assert not lost, (
        f"{path}:{lost}: Python 3.11's wait_for swallows a cancel that meets the answer; use asyncio.timeout"
    )
