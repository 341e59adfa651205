"""Choose windows, retention and maxReplicas by numbers: `python -m bench.scaling search|page|record|try`.

`record` reads the arrivals of a real installation from its database, `try` simulates policies on them and
prints waits, cold starts and GPU-seconds of each. `search` and `page` make what docs/scale.md shows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from bench.scaling import published, recorded
from bench.scaling.search import grid, trials

HEADS = "window retention  min  max   median      p95      p99  cold starts     paid     used  ratio"


def _record(options: argparse.Namespace) -> None:
    if not options.database_url:
        sys.exit("set REELZERO_DATABASE_URL, or name the database by --database-url")
    recorded.write(sys.stdout, asyncio.run(recorded.rows(options.database_url, options.days, options.model)))


def _try(options: argparse.Namespace) -> None:
    with options.file.open(encoding="utf-8", newline="") as file:
        try:
            load = recorded.read(file, options.cold_start)
        except (ValueError, KeyError) as error:
            sys.exit(f"{options.file} cannot be read: {error}")
    print(HEADS)
    for one in trials(grid(options.max, options.min, options.window), load):
        policy, outcome = one.policy, one.outcome
        if policy.scale_down_delay:
            continue
        waits = "".join(f"{outcome.wait(percent):8.0f}s" for percent in (50, 95, 99))
        print(
            f"{policy.window:5}s {policy.retention:8}s {policy.min_replicas:4} {policy.max_replicas:4}"
            f"{waits} "
            f"{outcome.starts:12} {outcome.paid * options.gpus:8.0f} {outcome.used * options.gpus:8.0f} "
            f"{outcome.ratio:6.2f}"
        )


def _search(_options: argparse.Namespace) -> None:
    results = []
    for case in published.CASES:
        results.append(published.search(case))
        print(results[-1]["name"], results[-1]["best"], flush=True)
    published.FILE.write_text(json.dumps(results, indent=1) + "\n")
    published.write()


def main(arguments: list[str] | None = None) -> None:
    """Run the command that is named, by these arguments or those of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(required=True)
    record = commands.add_parser("record", help="write the arrivals of an installation as CSV")
    record.add_argument("--database-url", default=os.environ.get("REELZERO_DATABASE_URL"))
    record.add_argument("--days", type=float, default=1.0)
    record.add_argument("--model")
    record.set_defaults(run=_record)
    attempt = commands.add_parser("try", help="simulate policies on recorded arrivals")
    attempt.add_argument("file", type=Path)
    attempt.add_argument("--cold-start", type=float, default=60.0, help="seconds, if none was recorded")
    attempt.add_argument("--gpus", type=int, default=1, help="of one predictor")
    attempt.add_argument("--window", type=int, nargs="+", default=[6, 60, 300])
    attempt.add_argument("--min", type=int, nargs="+", default=[0])
    attempt.add_argument("--max", type=int, nargs="+", default=[1, 2, 4, 8])
    attempt.set_defaults(run=_try)
    commands.add_parser("search", help="search the loads of docs/scale.md: minutes").set_defaults(run=_search)
    page = commands.add_parser("page", help="write the table and the picture of docs/scale.md")
    page.set_defaults(run=lambda _: published.write())
    options = parser.parse_args(arguments)
    options.run(options)


if __name__ == "__main__":
    main()
