"""The order of floors: a part imports only parts on lower floors, and no file takes part in a circle.

A new part of a package gets its place in the table below.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS: dict[str, list[set[str]]] = {  # the lowest first
    "eventing": [
        {"contract"},
        {"domain", "settings", "signal", "metrics", "testing", "step_testing", "client", "job_log"},
        {"store", "served", "costs", "pictures", "prompts", "mcp", "traces"},
        {"watchers", "drafts", "reuse"},
        {"jobs", "estimates", "feeds", "delivery", "orphans", "story_watchers"},
        {"stories"},
        {"container"},
        {"dispatch", "api", "doctor"},
        {"service"},
        {"standalone"},
        {"cli"},
        {"__main__"},
    ],
    "eventing.contract": [
        {"errors", "causes", "telemetry", "certificates", "metrics"},
        {"problems"},
        {"http", "storage"},
        {"records"},
        {"codecs"},
        {"budget", "credentials", "env"},
        {"catalog", "prompts", "unseen"},
        {"v2", "stories"},
        {"schemas"},
    ],
    "eventing.api": [
        {"dependencies"},
        {"answers"},
        {"callers"},
        {"requests"},
        {"usage"},
        {"jobs", "page"},
        {"stories"},
        {"events", "videos", "health", "inference", "operate", "metrics"},
        {"mcp"},
        {"openapi"},
        {"app"},
    ],
    "eventing.store": [
        {"database"},
        {"tables"},
        {"rows", "schema"},
        {"lanes"},
        {"transitions", "listing", "due_messages"},
        {"single", "watched"},
        {"claims", "story_submissions", "submissions", "outbox", "dead_letters", "keys", "migrations"},
        {"overview", "levels", "usage", "forecast", "stories"},
        {"jobs"},
    ],
    "eventing.cli.terminal": [
        {"screen"},
        {"servers"},
        {"requests"},
        {
            "events",
            "files",
            "follow",
            "jobs",
            "estimates",
            "login",
            "mcp",
            "models",
            "report",
            "status",
            "story",
        },
        {"submit", "stories"},
    ],
    "eventing.doctor": [
        {"findings", "objects"},
        {"checks"},
        {"registry"},
        {"reports", "clusters"},
        {"command"},
    ],
    "eventing.doctor.checks": [{"pods"}, {"serving"}, {"events"}, {"settings"}],
    "steps": [
        {"work", "bundle"},
        {"media", "runner"},
        {"builtin", "forks"},
        {"__main__"},
        {"template"},
        {"box"},
    ],
    "predictor": [
        {"settings", "metrics", "later", "read_ahead", "collector"},
        {"models"},
        {"generation"},
        {"device"},
        {"serving"},
        {"__main__", "template", "testing", "fake_engine"},
    ],
    "predictor.generation": [
        {"attempt", "failures", "scratch", "monitor", "video"},
        {"hooks", "preview", "result_store"},
        {"finish", "pictures", "results"},
        {"workspace"},
        {"engines"},
        {"generate"},
    ],
    "predictor.models.pipelines": [
        {"decoding", "denoising", "loading", "embeddings"},
        {"base"},
        {"cogvideox", "hunyuan15", "ltx", "ltx2", "mochi", "wan"},
        {"shapes"},
    ],
}
OWN = ("eventing", "predictor", "steps")
FILES = [path for package in OWN for path in sorted((ROOT / package).rglob("*.py"))]
PACKAGES = pytest.mark.parametrize("package", FLOORS)


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def part_of(package: str, module: str) -> str | None:
    """The part of a package that a module belongs to; None for the package itself and modules elsewhere."""
    return module.removeprefix(f"{package}.").split(".")[0] if module.startswith(f"{package}.") else None


def imported_names(path: Path) -> Iterator[str]:
    """Every dotted name that a file imports, at its top, inside functions and by `import_module`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: name the package in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (str(part.value) for part in node.args if isinstance(part, ast.Constant))


def imported_modules(path: Path) -> set[str]:
    """The modules of this project that a file imports; `from package import name` may mean either."""
    names = {name if name in MODULES else name.rpartition(".")[0] for name in imported_names(path)}
    return {name for name in names if name in MODULES} - {module_of(path)}


def floor_of(package: str, part: str) -> int:
    floors = [number for number, parts in enumerate(FLOORS[package]) if part in parts]
    assert floors, f"{package}.{part} has no floor: give it one in {Path(__file__).name}"
    return floors[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_arrow_points_up(path: Path) -> None:
    for package in FLOORS:
        part = part_of(package, module_of(path))
        others = {other for module in imported_modules(path) if (other := part_of(package, module))}
        for other in others - {part} if part else ():
            assert floor_of(package, other) < floor_of(package, part or ""), (
                f"{path.relative_to(ROOT)} imports {package}.{other}: it must be below {part}"
            )


@PACKAGES
def test_the_table_has_every_part_and_no_other(package: str) -> None:
    parts = {part for name in MODULES if (part := part_of(package, name))}
    assert parts == set().union(*FLOORS[package])


@PACKAGES
def test_no_import_runs_in_a_circle(package: str) -> None:
    graph = {
        name: {other for other in imported_modules(path) if other.startswith(f"{package}.")}
        for name, path in MODULES.items()
        if name.startswith(f"{package}.")
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' → '.join(error.args[1])}")
