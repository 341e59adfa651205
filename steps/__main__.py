"""Run one step of the box: `python -m steps NAME INPUTS OUTPUTS PARAMETERS`, as the runner calls it.

INPUTS and OUTPUTS are folders: an input is a file by its name, or a folder of files in their order. A line
`progress 0.4` on standard output is progress. A step that cannot be done says why, and ends with status 1.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from steps.work import StepError, Work

BUILTIN = Path(__file__).parent / "builtin"


def names() -> list[str]:
    """Return the names of the steps in the box."""
    return sorted(path.stem for path in BUILTIN.glob("[a-z]*.py"))


def main(arguments: list[str]) -> int:
    """Run a step. Returns the exit status."""
    if len(arguments) != 4 or arguments[0] not in names():
        print(f"python -m steps NAME INPUTS OUTPUTS PARAMETERS; the names: {', '.join(names())}")
        return 2
    name, inputs, outputs, parameters = arguments
    module = import_module(f"steps.builtin.{name}")
    try:
        module.run(
            work(Path(inputs), Path(outputs), json.loads(Path(parameters).read_text(encoding="utf-8")))
        )
    except StepError as error:
        print(error)
        return 1
    except ValidationError as error:
        first = error.errors()[0]
        print(f"parameters.{'.'.join(map(str, first['loc']))}: {first['msg']}")
        return 1
    return 0


def work(inputs: Path, outputs: Path, parameters: dict[str, Any]) -> Work:
    """Return the work of a step whose files lie in folders. Any name in the folder of outputs is one."""
    files = {
        path.name: tuple(sorted(path.iterdir())) if path.is_dir() else (path,) for path in inputs.iterdir()
    }
    return Work(files, _Anywhere(outputs), parameters, _Progress())


class _Anywhere(dict[str, Path]):
    """The path of each output, by its name."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, name: str) -> Path:
        return self._folder / name


class _Progress:
    """Print each further percent once."""

    def __init__(self) -> None:
        self._latest = -1

    def __call__(self, share: float) -> None:
        if (percent := int(share * 100)) > self._latest:
            self._latest = percent
            print(f"progress {percent / 100:g}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
