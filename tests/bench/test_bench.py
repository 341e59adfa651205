"""Every benchmark still runs, in its smallest form. How fast anything is, is not tested."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path

import pytest

from bench import page, run
from bench.harness import results
from bench.harness.records import Missing, Record, Size, as_json, at_least, at_most, from_json, not_run
from bench.harness.results import Run

# They start services or predictors, whose starts alone take ten seconds of processor time each: here they are
# only imported.
WITH_PROCESSES = {
    "cold_start",
    "health_during_job",
    "job_cost",
    "memory",
    "overhead",
    "replicas",
    "stories",
    "submit",
    "watchers",
}


def require_sound(records: list[Record]) -> None:
    """Assert that records have names and finite numbers, and are the same after a journey as JSON."""
    assert records
    for one in records:
        assert one.name and one.unit and one.versus
        assert one.ratio is None or (math.isfinite(one.ratio) and one.ratio > 0)
        assert one.ratio is not None or one.note, "what was not run says why"
        assert from_json(as_json(one)) == one


def require_miniature(records: list[Record]) -> None:
    """Assert that each measurement was made, on the CPU, and says so. A CPU has no peak memory of its own."""
    assert [one.name for one in records if one.ratio is None] == ["cogvideox-2b, peak memory of a video"]
    assert all("miniature on the CPU; says nothing about a card" in one.note for one in records)
    assert not any(one.target for one in records)


@pytest.mark.parametrize("name", results.modules())
def test_a_benchmark_runs_in_its_smallest_form(name: str) -> None:
    module = import_module(f"bench.{name}")
    if name in WITH_PROCESSES:
        return
    try:
        records = module.cases(Size.smallest)
    except Missing as error:
        pytest.skip(f"bench.{name} needs {error}")
    require_sound(records)
    if name == "gpu":
        require_miniature(records)


def test_the_bench_of_a_card_measures_nothing_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = import_module("bench.gpu")
    monkeypatch.setattr(gpu, "SECONDS", -1.0)
    records = gpu.cases(Size.smallest)
    assert records and all(one.verdict() == "not run" for one in records)
    assert sum("the time of this model was over" in one.note for one in records) == len(records) - 1


@pytest.mark.parametrize(("name", "billions"), [("wan2.2-ti2v-5b", 5.0), ("ltx-video", 1.92)])
def test_a_true_configuration_has_the_size_of_its_model_and_fits_the_catalog(
    name: str, billions: float
) -> None:
    models = {one.name: one for one in import_module("bench.card.models").MODELS}
    transformer = models[name].pipeline("meta").pipe.transformer
    assert round(sum(one.numel() for one in transformer.parameters()) / 1e9, 2) == billions


def test_a_target_is_met_on_its_own_side() -> None:
    fast = Record("a time", "s", 1.0, 2.0, "a peer", at_most(0.5))
    slow = Record("a rate", "jobs/s", 1.0, 2.0, "a peer", at_least(0.6))
    assert (fast.verdict(), slow.verdict()) == ("met", "not met")
    assert not_run("a time", "s", "a peer", "[not run] needs a GPU", at_most(1)).verdict() == "not run"


def test_a_peer_of_the_queue_that_is_absent_is_recorded_with_what_it_needs() -> None:
    queue = import_module("bench.queue")
    outcomes = {
        "reelzero, PostgreSQL": queue.Outcome(70.0, 90.0, [], [0.004]),
        "Celery + predictor + PUT": Missing("redis-server"),
        "procrastinate + predictor + PUT": queue.Outcome(35.0, 80.0, [], [0.003]),
    }
    celery, procrastinate = queue.ratios("reelzero, PostgreSQL", outcomes, 1)
    assert celery.verdict() == "not run" and celery.note == "[not run] needs redis-server"
    assert celery.target == at_least(1.0)
    assert (procrastinate.versus, procrastinate.ratio) == ("procrastinate + predictor + PUT", 2.0)
    require_sound([celery, procrastinate])


def test_the_page_of_benchmarks_is_as_its_results() -> None:
    runs = results.read()
    assert (page.DOCS / page.PAGE).read_text() == page.text(runs), "run: python -m bench.page"
    assert (page.DOCS / page.PICTURE).read_text() == page.picture(runs), "run: python -m bench.page"


def test_a_page_has_each_number_its_command_and_what_is_missing(tmp_path: Path) -> None:
    record = Record("sign | verify", "s", 0.011, 0.44, "their encode", at_most(0.03), "a <note>")
    absent = not_run("wan", "s", "high", "[not run] needs a GPU")
    runs = {
        "bench.mark": Run("bench.mark", "2 cores", "2026-11-26", "quick", (record, absent)),
        "bench.queue": Run("bench.queue", "2 cores", "2026-11-26", "quick", trouble="redis-server"),
    }
    results.write(runs, tmp_path / "results.json")
    assert results.read(tmp_path / "results.json") == runs
    text = page.text(runs)
    for words in ("`python -m bench.mark`", "0.011 s", "their encode: 0.44 s", "| 0.025 | ≤ 0.03 | met"):
        assert words in text
    assert "[not run] needs a GPU" in text and "Not run here: redis-server" in text
    unmeasured = text[text.index("## bench.replicas") :]
    assert "Target: 1.7 times one replica's" in unmeasured and "bench.run --only replicas" in unmeasured
    assert page.picture(runs).count("<rect") == 2, "the background, and one bar"


def test_a_benchmark_that_fails_is_told_from_one_whose_parts_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("")
    (tmp_path / "bench" / "broken.py").write_text("raise RuntimeError('no such thing')\n")
    (tmp_path / "bench" / "absent.py").write_text(
        "import sys\nprint('redis-server', file=sys.stderr)\nsys.exit(3)\n"
    )
    monkeypatch.setattr(run, "ROOT", tmp_path)
    assert run.run("broken", Size.quick).trouble == "failed: RuntimeError: no such thing"
    assert run.run("absent", Size.quick).trouble == "redis-server"
