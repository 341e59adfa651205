"""One data directory for all: the tiny model is built once, and every start must cope with the last end."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `data`, the data directory, and `out`, where videos go."""
    return tmp_path_factory.mktemp("home")
