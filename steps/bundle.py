"""Write the runner as one file that runs in any container: `python -m steps.bundle runner.pyz`."""

from __future__ import annotations

import sys
import tempfile
import zipapp
from pathlib import Path
from shutil import copytree, ignore_patterns

RUNNER = Path(__file__).parent / "runner"


def write(target: Path) -> None:
    """Write the file. `python runner.pyz` starts it, with no more than Python and its standard library."""
    with tempfile.TemporaryDirectory() as name:
        package = Path(name, "steps")
        copytree(RUNNER, package / "runner", ignore=ignore_patterns("__pycache__"))
        (package / "__init__.py").touch()
        zipapp.create_archive(
            name, target, "/usr/bin/env python3", "steps.runner.__main__:main", compressed=True
        )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
