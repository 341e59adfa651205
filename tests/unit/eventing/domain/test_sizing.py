"""Sizing: Erlang C against tables and a direct sum, the command, and both against the simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.scaling.load import Job, Load, daily_curve
from bench.scaling.policy import Policy
from bench.scaling.simulation import simulate
from eventing.cli import app
from eventing.domain.sizing import Demand, awake_predictors, replicas, size, wait, waiting_share

DEMAND = Demand(
    per_hour=40.0, peak_per_hour=120.0, video_seconds=90.0, cold_start_seconds=60.0,
    window_seconds=60.0, drain_seconds=30.0, gpus=2,
)  # fmt: skip


@pytest.mark.parametrize(
    ("load", "predictors", "share"),
    [(0.5, 1, 0.5), (1.0, 2, 1 / 3), (2.0, 3, 0.444), (8.0, 10, 0.409), (20.0, 20, 1.0)],
)
def test_erlang_c_is_as_in_its_tables(load: float, predictors: int, share: float) -> None:
    assert waiting_share(load, predictors) == pytest.approx(share, abs=0.0005)


@settings(max_examples=30)
@given(st.floats(0.01, 30.0), st.integers(1, 40))
def test_erlang_c_is_its_definition(load: float, predictors: int) -> None:
    if load >= predictors:
        assert waiting_share(load, predictors) == 1.0
        return
    last = load**predictors / math.factorial(predictors) * predictors / (predictors - load)
    others = sum(load**n / math.factorial(n) for n in range(predictors))
    assert waiting_share(load, predictors) == pytest.approx(last / (others + last))


@settings(max_examples=30)
@given(st.floats(0.0001, 0.5), st.floats(1.0, 600.0), st.floats(0.0, 600.0))
def test_replicas_are_the_fewest_that_keep_the_wait(rate: float, seconds: float, limit: float) -> None:
    count = replicas(rate, seconds, limit + 0.001)
    assert wait(rate, seconds, count) <= limit + 0.001
    assert count == 1 or wait(rate, seconds, count - 1) > limit + 0.001


@pytest.mark.parametrize(("per_hour", "window"), [(4, 60), (40, 60), (20, 300), (400, 60)])
def test_the_predictors_that_are_paid_are_those_of_the_simulation(per_hour: int, window: int) -> None:
    """Lengths do not vary and some hours are a sample: a quarter of the pods and of a cold start is near."""
    times = [at for at in daily_curve(per_hour * 24, 0.0, 7) if at < 1_200_000.0 / (40 + per_hour)]
    span = max(times)
    rate = 3600.0 * len(times) / span
    demand = Demand(rate, rate, 90.0, 60.0, float(window), 30.0, 1)
    expected = size(demand, 60.0)
    load = Load(tuple(Job(at, 90.0) for at in times), (60.0,))
    outcome = simulate(Policy(window=window, max_replicas=40), load)
    assert awake_predictors(demand) == pytest.approx(outcome.paid / span, rel=0.25)
    assert sum(outcome.waits) / len(outcome.waits) <= expected.expected_wait_seconds + 15.0


def test_the_wait_of_erlang_c_is_that_of_pods_that_are_always_there() -> None:
    rng = np.random.default_rng(3)
    times, lengths = np.cumsum(rng.exponential(2.8, 4000)), rng.exponential(9.0, 4000)
    load = Load(
        tuple(Job(float(at), float(one)) for at, one in zip(times, lengths, strict=True)), (1.0,), 1.0
    )
    outcome = simulate(Policy(min_replicas=4, max_replicas=4), load)
    expected = wait(1 / 2.8, 9.0, 4)
    assert sum(outcome.waits) / 4000 == pytest.approx(expected, rel=0.3)


def _command(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["size", *arguments])
    return result.exit_code, result.output


def test_the_command_computes_a_day_and_its_cost() -> None:
    code, text = _command("--per-hour", "40", "--peak-per-hour", "120", "--seconds", "90", "--cold-start",
                          "60", "--gpus", "2", "--price", "2.5", "--json")  # fmt: skip
    answer = json.loads(text)
    assert code == 0
    expected = size(DEMAND, 60.0)
    assert answer["size"]["max_replicas"] == expected.max_replicas >= 4
    assert answer["size"]["gpu_hours"] == pytest.approx(expected.awake_predictors * 2 * 24)
    assert answer["cost_per_day"] == pytest.approx(expected.gpu_hours * 2.5)
    assert 0 < answer["size"]["expected_wait_seconds"] <= 60 + 30


def test_the_command_takes_the_budgets_of_a_model() -> None:
    code, text = _command("--per-hour", "4", "--model", "cogvideox-2b")
    assert code == 0
    assert "maxReplicas" in text and "cost" not in text
    code, text = _command("--per-hour", "4", "--model", "cogvideox-2b", "--json")
    assert json.loads(text)["demand"]["cold_start_seconds"] == 300


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--per-hour", "4"], "name the --model, or both --seconds and --cold-start"),
        (["--per-hour", "4", "--model", "none"], "none"),
        (["--per-hour", "0", "--model", "tiny"], "--per-hour"),
        (["--per-hour", "9", "--peak-per-hour", "4", "--model", "tiny"], "at least --per-hour"),
        (["--per-hour", "400000", "--seconds", "90", "--cold-start", "60"], "more than 1000 predictors"),
    ],
)
def test_a_wrong_call_is_named(arguments: list[str], words: str) -> None:
    code, text = _command(*arguments)
    assert code == 2 and words in text


def test_the_page_shows_what_the_command_prints() -> None:
    page = (Path(__file__).parents[4] / "docs" / "operate" / "sizing.md").read_text()
    call = next(line for line in page.splitlines() if line.startswith("    reelzero size "))
    code, text = _command(*call.split()[2:])
    assert code == 0 and f"```text\n{text}```" in page
