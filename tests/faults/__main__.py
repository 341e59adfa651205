"""`python -m tests.faults --rounds N --seed S`: the fault suite, as long as you like."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from pathlib import Path

from tests.faults.registry import load
from tests.faults.rounds import matching, plan, run, without_real


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, help="default: every fault once")
    parser.add_argument("--seed", type=int, help="default: a random one, printed")
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="default: drawn by the seed")
    parser.add_argument(
        "--only", action="append", default=[], help="a fault's name, a part of it, or a family"
    )
    parser.add_argument("--keep", type=Path, default=Path("build/faults"), help="logs of broken rounds")
    parser.add_argument("--light", action="store_true", help="without the real predictor")
    parser.add_argument("--list", action="store_true", help="print the faults and end")
    options = parser.parse_args()
    if options.list:
        print("\n".join(sorted(load())))
        return 0
    names = matching(options.only)
    if options.light:
        names = without_real(names)
    for name in [name for name in names if load()[name].needs()]:
        print(f"{name} is left out: {load()[name].needs()}", flush=True)
        names.remove(name)
    if not names:
        parser.error(f"no fault matches {options.only}")
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    rounds = list(plan(seed, names, options.rounds or len(names), options.database, options.first))
    print(f"seed {seed}, {len(rounds)} rounds", flush=True)
    report = asyncio.run(run(rounds, lambda line: print(line, flush=True), options.keep))
    print(f"seed {seed}\n{report.text()}")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
