"""What docs/scale.md shows is as its results are; arrivals of a database are recorded and tried."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

from bench.scaling import limits, published, recorded
from bench.scaling.__main__ import main
from bench.scaling.bound import within
from bench.scaling.load import Job
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from eventing.testing import fake_result
from tests.support.builders import POOL, claim, make_job, stores, submission


def test_the_page_and_its_picture_are_as_the_last_search() -> None:
    results = published.read()
    page = published.PAGE.read_text()
    assert page == published.filled(page, results), "run: python -m bench.scaling page"
    assert published.PICTURE.read_text() == published.picture(results), "run: python -m bench.scaling page"
    assert [one["name"] for one in results] == [case.name for case in published.CASES]


def test_what_the_page_says_of_the_goal_holds_in_its_results() -> None:
    best = {str(one["name"]): one["best"] for one in published.read()}
    bursts = published.Point(**best["22 bursts of 20 at once, 90 s"])  # type: ignore[arg-type]
    case = published.CASES[0]
    assert case.bound is not None and published.LIMIT < case.bound <= bursts.ratio
    for name in ("22 bursts of 1,000 over 30 minutes", "a daily curve of 50,000"):
        point = published.Point(**best[name])  # type: ignore[arg-type]
        assert point.ratio <= published.LIMIT and point.wait <= within(published.COLD_START)


def test_a_part_bears_what_it_was_measured_to_bear() -> None:
    part = limits.Part("a part", per_job=2.0, per_lease=1.0, bears=100.0, remedy="more of it")
    assert limits.rate(part, 90.0, 90.0, 30.0) == pytest.approx(2.0 + 9.0)
    assert limits.most_gpus(part, 90.0, 30.0) == pytest.approx(100.0 / (2.0 / 90.0 + 0.1))
    assert limits.most_gpus(part, 90.0, 120.0) > limits.most_gpus(part, 90.0, 30.0)


async def fill(url: str) -> None:
    """A database with a video that was made, and one that waits."""
    database = Database(url)
    await migrate(database)
    store = stores(database)
    await store.claims.prepare((POOL,))
    await store.jobs.submit(submission(id="job-1", prompt="a secret"))
    await store.jobs.submit(submission(id="job-2"))
    job = await claim(store)
    result = fake_result(make_job().video, job.id, job.attempt, None)
    timings = result.timings.model_copy(update={"denoise": 80.0, "load": 42.0})
    await store.claims.complete(job, result.model_copy(update={"timings": timings}))
    await database.close()


def test_arrivals_of_a_database_are_recorded_and_tried_without_a_word_of_their_users(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, file = f"sqlite+aiosqlite:///{tmp_path}/jobs.db", tmp_path / "arrivals.csv"
    asyncio.run(fill(url))
    main(["record", "--database-url", url, "--model", "another"])
    assert capsys.readouterr().out.splitlines() == ["at,seconds,cold_start"]
    main(["record", "--database-url", url])
    printed = capsys.readouterr().out
    assert "secret" not in printed and len(printed.splitlines()) == 2, "the second one was not made yet"
    assert printed.splitlines()[1].endswith(",80.000,42.000")
    file.write_text(printed)
    main(["try", str(file), "--max", "1", "--window", "60"])
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[4:8] == ["42s", "42s", "42s", "1"]
    assert [float(value) for value in row[8:10]] == [pytest.approx(42 + 80 + 60 + 30, abs=2), 80.0]


def test_recorded_videos_become_a_load_that_begins_at_its_first_arrival() -> None:
    file = io.StringIO()
    recorded.write(file, [(1000.0, 90.0, 0.0), (1060.5, 80.0, 42.0)])
    file.seek(0)
    load = recorded.read(file, 60.0)
    assert load.jobs == (Job(0.0, 90.0), Job(60.5, 80.0))
    assert load.cold_starts == (42.0,)
    with pytest.raises(ValueError, match="no video"):
        recorded.read(io.StringIO("at,seconds,cold_start\n"), 60.0)
