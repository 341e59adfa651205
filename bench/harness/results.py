"""The results file of all benchmarks, bench/results.json: what `python -m bench.run` measured, and where."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.harness.records import Record, as_json, from_json

FILE = Path(__file__).parents[1] / "results.json"


@dataclass(frozen=True)
class Run:
    """One benchmark: its records, or why there are none."""

    module: str  # such as `bench.mark`
    machine: str
    day: str
    size: str
    records: tuple[Record, ...] = ()
    trouble: str = ""  # what is missing here, or the last line of an error


def modules() -> list[str]:
    """Return the names of the benchmarks: the files with a function `cases`."""
    files = sorted(FILE.parent.glob("*.py"))
    return [file.stem for file in files if "\ndef cases(" in file.read_text(encoding="utf-8")]


def read(file: Path = FILE) -> dict[str, Run]:
    """Return the runs of a results file by module; none if there is no file yet."""
    if not file.exists():
        return {}
    return {value["module"]: _run(value) for value in json.loads(file.read_text())}


def write(runs: dict[str, Run], file: Path = FILE) -> None:
    """Write a results file."""
    values = [
        asdict(run) | {"records": [as_json(one) for one in run.records]} for _, run in sorted(runs.items())
    ]
    file.write_text(json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _run(value: dict[str, Any]) -> Run:
    return Run(**value | {"records": tuple(from_json(one) for one in value["records"])})
