"""Run every benchmark and write the page: `python -m bench.run [--size quick] [--only mark encode]`.

Each module of `bench/` with a function `cases` runs in a process of its own, one after the other. The records
of all are kept in bench/results.json, of which bench/page.py makes docs/benchmarks.md. With `--only`, results
of the others stay. The exit status is 1 if one failed; one whose parts are missing here has not failed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import page
from bench.harness import results
from bench.harness.process import ROOT, machine
from bench.harness.records import MISSING, Size, from_json
from bench.harness.results import Run

LIMIT = 3600.0  # seconds for one benchmark, against one that hangs


def run(name: str, size: Size) -> Run:
    """Run a benchmark in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "records.json"
        command = [sys.executable, "-m", f"bench.{name}", "--size", size, "--json", str(file)]
        print(f"== bench.{name}", flush=True)
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        empty = Run(f"bench.{name}", machine(), day, size)
        try:
            process = subprocess.run(
                command, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=LIMIT, check=False
            )
        except subprocess.TimeoutExpired:
            return _with(empty, f"failed: it took longer than {LIMIT:g} s")
        if process.returncode == 0:
            records = tuple(from_json(one) for one in json.loads(file.read_text()))
            return Run(empty.module, empty.machine, day, size, records)
    last = (process.stderr.strip().splitlines() or ["no message"])[-1]
    return _with(empty, last if process.returncode == MISSING else f"failed: {last}")


def _with(run: Run, trouble: str) -> Run:
    print(trouble, flush=True)
    return Run(run.module, run.machine, run.day, run.size, trouble=trouble)


def main() -> int:
    """Run the benchmarks that the command line names, or all; write the results and the page."""
    names = results.modules()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=Size, choices=list(Size), default=Size.full)
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--results", type=Path, default=results.FILE, help="the results file")
    parser.add_argument("--docs", type=Path, default=page.DOCS, help="the folder of the page")
    options = parser.parse_args()
    runs = {module: one for module, one in results.read(options.results).items() if module[6:] in names}
    failed = 0
    for name in options.only:
        one = run(name, options.size)
        failed += one.trouble.startswith("failed")
        runs[one.module] = one
        results.write(runs, options.results)  # after each: a run that is stopped has what it measured
    page.write(runs, options.docs)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
