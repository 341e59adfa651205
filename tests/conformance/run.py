"""`python -m tests.conformance.run`: every client we know against `reelzero up`; makes docs/conformance.md.

Each client runs in its own environment and prints one JSON line per call. The exit status is 1 if any row is
red, or if a client ended without having made all its calls. `--only NAME` runs one environment and writes
nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from eventing import __version__
from tests.conformance.environments import ENVIRONMENTS, ROOT, Environment, prepare, versions
from tests.conformance.servers import servers
from tests.support import pgbouncer
from tests.support.doc_examples import DOCS, PAGES, examples

PAGE = DOCS / "conformance.md"
CLIENT_SECONDS = 300
PROMTOOL = "promtool"
PGBOUNCER = "pgbouncer"
POOLER_SECONDS = 1200
POOLED = "transaction mode: the stores, and a job through the service"
HEAD = """# Conformance

Clients of other projects, each in its own environment, against `reelzero up` as a separate process
(and one predictor for direct V2 calls); pgbouncer in front of PostgreSQL.
Written by `make conformance`, which fails if any row is not ✅.
"""


@dataclass(frozen=True)
class Row:
    """One call of one client."""

    client: str
    call: str
    ok: bool
    note: str


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[PROMTOOL, PGBOUNCER, *(one.name for one in ENVIRONMENTS)])
    only = parser.parse_args().only
    chosen = [environment for environment in ENVIRONMENTS if only in (None, environment.name)]
    for environment in chosen:
        prepare(environment)
    rows = [] if only == PGBOUNCER else try_servers(chosen, only)
    rows += [try_pgbouncer()] if only in (None, PGBOUNCER) else []
    for row in rows:
        print("ok " if row.ok else "RED", row.client, "·", row.call, "·", row.note)
    if only is None:
        PAGE.write_text(page(rows))
    red = [row for row in rows if not row.ok]
    print(f"{len(rows)} calls, {len(red)} red")
    return 1 if red or not rows else 0


def try_servers(chosen: list[Environment], only: str | None) -> list[Row]:
    """All rows that need a running service."""
    with tempfile.TemporaryDirectory(prefix="reelzero-conformance-") as folder:
        with servers(Path(folder)) as where:
            rows = [row for environment in chosen for row in run_all(environment, where)]
            return rows + ([try_promtool(where)] if only in (None, PROMTOOL) else [])


def run_all(environment: Environment, where: dict[str, str]) -> list[Row]:
    """All scripts of one environment."""
    names = ", ".join(f"{name} {version}" for name, version in versions(environment).items())
    rows = [row for script in environment.scripts for row in run(environment, script, names, where)]
    return rows + try_pages(environment, names, where)


def try_pages(environment: Environment, names: str, where: dict[str, str]) -> list[Row]:
    """A row for each example in docs/clients that asks for this environment; the others are tests."""
    rows = []
    for path in PAGES:
        for example in examples(path, "python"):
            if example.needs == environment.name and not environment.node:
                done = execute([environment.python, "-c", example.code], where)
                note = "ran" if done.returncode == 0 else done.stderr.strip()[-500:]
                rows.append(
                    Row(names, f"the example in docs/clients/{path.name}", done.returncode == 0, note)
                )
    return rows


def try_promtool(where: dict[str, str]) -> Row:
    """A row for Prometheus' own reading of both metrics pages, its lint included."""
    script = 'for at in "$URL" "$PREDICTOR_URL"; do curl -sSf "$at/metrics" | promtool check metrics; done'
    try:
        shown = subprocess.check_output(["promtool", "--version"], text=True, stderr=subprocess.STDOUT)
    except OSError:
        return Row(PROMTOOL, "check metrics", False, "promtool is missing: apt-get install prometheus")
    done = execute(["bash", "-c", f"set -eo pipefail; {script}"], where)
    note = "nothing to find fault with" if done.returncode == 0 else (done.stdout + done.stderr)[-500:]
    return Row(f"{PROMTOOL} {shown.split()[2]}", "check metrics", done.returncode == 0, note)


def try_pgbouncer() -> Row:
    """A row for the tests of the service and the stores behind pgbouncer in transaction mode."""
    program = pgbouncer.find()
    if program is None:
        return Row(PGBOUNCER, POOLED, False, "pgbouncer is missing: apt-get install pgbouncer")
    shown = subprocess.check_output([program, "--version"], text=True).split()[1]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-v", "tests/integration/pooler"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=POOLER_SECONDS, check=False
    )
    counts = re.search(r"(\d+) passed.*", done.stdout)
    is_whole = done.returncode == 0 and counts is not None and "skipped" not in counts[0]
    note = f"{counts[1]} tests passed" if counts and is_whole else done.stdout.strip()[-500:]
    return Row(f"{PGBOUNCER} {shown}", POOLED, is_whole, note)


def execute(command: list[str], where: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a client in an environment that says where the servers are, and in a folder of its own."""
    clean = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            command, env=clean | where, cwd=folder, capture_output=True, text=True,
            timeout=CLIENT_SECONDS, check=False,
        )  # fmt: skip


def run(environment: Environment, script: str, names: str, where: dict[str, str]) -> list[Row]:
    """The rows of one client script; a crash or a time-out is a red row of its own."""
    client = f"{Path(script).stem} ({names})"
    try:
        done = execute(environment.command(script), where | {"PYTHONPATH": str(ROOT)})
    except subprocess.TimeoutExpired:
        return [Row(client, "all", False, f"took more than {CLIENT_SECONDS} s")]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"call"')]
    rows = [Row(client, line["call"], line["ok"], line["note"]) for line in lines]
    if done.returncode or not rows:
        rows.append(Row(client, "exit", False, (done.stderr.strip() or done.stdout.strip())[-500:]))
    return rows


def page(rows: list[Row]) -> str:
    """The table, with what it was made with."""
    green = sum(row.ok for row in rows)
    made = datetime.now(UTC).strftime("%Y-%m-%d")
    made_with = f"reelzero {__version__}, Python {platform.python_version()}, {made}"
    lines = [HEAD, f"{made_with}: {green} of {len(rows)} calls.", ""]
    lines += ["| client | call | | what was seen |", "|---|---|---|---|"]
    for row in rows:
        note = re.sub(r"s3://\S+/", "s3://…/", row.note)  # ids of no interest, new ones in every run
        note = note.replace("|", "\\|").replace("\n", " ")[:160]
        lines.append(f"| {row.client} | {row.call} | {'✅' if row.ok else '❌'} | {note} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
