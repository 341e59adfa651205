"""Write docs/benchmarks.md and its picture from bench/results.json: `python -m bench.page`."""

from __future__ import annotations

import ast
from pathlib import Path

from bench.harness import results
from bench.harness.plot import Bar, chart
from bench.harness.process import ROOT
from bench.harness.records import Record
from bench.harness.results import Run

DOCS = ROOT / "docs"
PAGE, PICTURE = "benchmarks.md", "images/benchmarks.svg"
HEAD = """# Benchmarks

`make bench` runs every comparison again and writes this page (`make bench SIZE=quick` in minutes); do not
edit it. Each benchmark runs a peer beside us in the same run and gives medians. Machines differ, so the ratio
counts: ours divided by the peer's. A line without a target only reports. What was tried, and did not pay, is
in [bench/README.md](../bench/README.md). `python -m bench.page` writes the page from `bench/results.json`.

![How far each ratio is from its target](images/benchmarks.svg)

The bars show each ratio in parts of its target. Green ones keep to it.
"""
COLUMNS = "| comparison | ours | peer | ratio | target | |\n|---|---|---|---|---|---|"


def text(runs: dict[str, Run]) -> str:
    """Return the page."""
    if not runs:
        return f"{HEAD}\nNo results yet: they are to come from a machine that does nothing else.\n"
    sections = {name: _absent(name) for name in map("bench.{}".format, results.modules())}
    sections |= {name: _section(run) for name, run in runs.items()}
    return "\n".join([HEAD, *(sections[name] for name in sorted(sections))])


def picture(runs: dict[str, Run]) -> str:
    """Return the picture of all records with a target, as SVG."""
    records = [one for _, run in sorted(runs.items()) for one in run.records]
    return chart([_bar(one) for one in records if one.target and one.ratio is not None])


def write(runs: dict[str, Run], docs: Path = DOCS) -> None:
    """Write the page and its picture into a folder."""
    (docs / PAGE).write_text(text(runs))
    (docs / PICTURE).parent.mkdir(exist_ok=True)
    (docs / PICTURE).write_text(picture(runs))


def _bar(record: Record) -> Bar:
    assert record.target and record.ratio is not None
    label = f"{record.name}: {record.ratio:.3g} ({record.target})"
    return Bar(label, record.ratio / record.target.limit, record.target.met(record.ratio))


def _absent(module: str) -> str:
    command = f"No results yet: `python -m bench.run --only {module.removeprefix('bench.')}` brings them."
    return f"## {module}\n\n{_purpose(module)}\n\n{command}\n"


def _section(run: Run) -> str:
    lines = [f"## {run.module}\n", f"{_purpose(run.module)}\n"]
    where = f"`python -m {run.module}`, {run.day}, size {run.size}, {run.machine}."
    if run.trouble:
        return "\n".join([*lines, f"Not run here: {run.trouble}\n"])
    return "\n".join([*lines, f"{where}\n", COLUMNS, *map(_row, run.records), ""])


def _row(record: Record) -> str:
    note = record.note.replace("|", "/")
    if record.ratio is None:
        return f"| {record.name} | | {record.versus} | | {record.target or ''} | {note} |"
    ours, peer = (f"{value:.4g} {record.unit}" for value in (record.ours, record.peer))
    words = "; ".join(filter(None, [record.verdict(), note]))
    return (
        f"| {record.name} | {ours} | {record.versus}: {peer} | {record.ratio:.3g} "
        f"| {record.target or ''} | {words} |"
    )


def _purpose(module: str) -> str:
    """Return what a benchmark says of itself, without its first line."""
    file = ROOT / (module.replace(".", "/") + ".py")
    paragraphs = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n\n")
    return paragraphs[1].replace("\n", " ") if len(paragraphs) > 1 else paragraphs[0]


if __name__ == "__main__":
    write(results.read())
