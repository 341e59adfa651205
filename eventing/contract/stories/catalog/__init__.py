"""Hold the step types that are known here: one YAML file each, the package's and an operator's.

The schemas of parameters in the package's files are written from the modules of `steps.builtin`, by
`python -m config.step_types`; a test keeps them equal. Nothing here imports `steps`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from eventing.contract.catalog.files import read_yaml, valid_record
from eventing.contract.errors import ConfigurationError, InvalidRequest
from eventing.contract.stories.graph import VIDEO
from eventing.contract.stories.scenes import ENDING
from eventing.contract.stories.types import Builtin, StepType

HERE = Path(__file__).parent
SETTING = "REELZERO_STEPS_DIR"


class StepTypes(Mapping[str, StepType]):
    """All step types by name, in the order of their names."""

    def __init__(self, types: Mapping[str, StepType]) -> None:
        self._types = {name: types[name] for name in sorted(types)}

    def __getitem__(self, name: str) -> StepType:
        """Return the type of a name. Raises KeyError; `require` explains it to a caller."""
        return self._types[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return list(self._types)

    def require(self, name: str) -> StepType:
        """Return the type of a name. Raises InvalidRequest that lists the names."""
        if name not in self._types:
            known = ", ".join(self._types)
            raise InvalidRequest(f"unknown step type {name!r}; known here: {known}", field="uses")
        return self._types[name]

    def only(self, names: set[str]) -> StepTypes:
        """Return these types only: those that a deployment serves."""
        return StepTypes({name: self.require(name) for name in names})


@cache
def load_step_types(extra: Path | None = None) -> StepTypes:
    """Read the package's step types and an operator's, which replace those of the same name.

    Raises ConfigurationError that names the file and the field.
    """
    own = _read_folder(HERE)
    if extra is None:
        return StepTypes(own)
    _require_files(extra)
    builtin = {kind.run.module for kind in own.values() if isinstance(kind.run, Builtin)}
    return StepTypes(own | _read_folder(extra, builtin))


def read_step_type(path: Path) -> StepType:
    """Read one file. Raises ConfigurationError that names every wrong field."""
    return valid_record(StepType, read_yaml(path, _wrong), path, "the step type", _wrong)


def _require_files(folder: Path) -> None:
    """Require step types or templates of stories in an operator's folder. Raises ConfigurationError."""
    if not folder.is_dir():
        raise ConfigurationError(f"the folder of step types {folder} is missing or no folder", field=SETTING)
    if not any(path.name.endswith((".yaml", ENDING)) for path in folder.iterdir()):
        problem = f"the folder of step types {folder} holds no *.yaml and no *{ENDING} file"
        raise ConfigurationError(problem, field=SETTING)


def _read_folder(folder: Path, builtin: set[str] | None = None) -> dict[str, StepType]:
    types: dict[str, StepType] = {}
    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*.yaml")):
        kind = read_step_type(path)
        if kind.name == VIDEO:
            raise _wrong(path, f"name: {VIDEO} is the step that a model of the catalog makes; choose another")
        if earlier := files.get(kind.name):
            raise _wrong(path, f"name: {earlier} has {kind.name} too")
        if builtin is not None and isinstance(kind.run, Builtin) and kind.run.module not in builtin:
            known = ", ".join(sorted(builtin))
            raise _wrong(path, f"run.module: there is no builtin step {kind.run.module}; known: {known}")
        types[kind.name], files[kind.name] = kind, path
    return types


def _wrong(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(f"step type {path} is not valid: {problem}", field=SETTING)
