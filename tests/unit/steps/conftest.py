"""A runner for each test, and a place for its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.steps.running import Runner, Start
from tests.unit.steps.store import Store


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        yield store


@pytest.fixture
def runner(tmp_path: Path, store: Store) -> Iterator[Start]:
    started: list[Runner] = []

    def start(**lines: Any) -> Runner:
        started.append(Runner(tmp_path, store, **lines))
        return started[-1]

    yield start
    for one in started:
        one.close()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("step-")] == []
