"""The doctor of a live installation finds what is well and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from eventing.cli import app
from eventing.contract.env import read
from eventing.contract.storage.s3 import Bucket
from eventing.doctor.clusters.installation import examine
from eventing.settings import Settings
from eventing.store.database.engine import Database
from eventing.store.schema import migrate
from tests.integration.test_serve import newer
from tests.support.receivers import Receiver


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bucket: Bucket) -> pytest.MonkeyPatch:
    values = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/jobs.db",
        "S3_ENDPOINT": bucket.location.endpoint or "",
        "S3_BUCKET": bucket.name,
        "ENDPOINTS": '[{"model": "tiny", "url": "http://127.0.0.1:9"}]',
    }
    for name, value in values.items():
        monkeypatch.setenv("REELZERO_" + name, value)
    return monkeypatch


async def test_a_sound_installation_is_found_sound(
    installed: pytest.MonkeyPatch, tmp_path: Path, bucket: Bucket
) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/jobs.db")
    await migrate(database)
    await database.close()
    async with Receiver() as receiver:
        installed.setenv("REELZERO_SINK_URL", receiver.url("sink"))
        outcomes = await examine(read(Settings))
    assert all(outcome.ok for outcome in outcomes), outcomes
    assert {outcome.name for outcome in outcomes} >= {"database", "schema", "clock", "S3", "sink", "models"}
    assert bucket.keys("doctor/") == []


async def test_each_part_that_is_away_is_named_with_a_remedy(
    installed: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed.setenv("REELZERO_SINK_URL", "http://127.0.0.1:1/")
    installed.setenv("REELZERO_S3_ENDPOINT", "http://127.0.0.1:1")
    outcomes = await examine(read(Settings))
    wrong = {outcome.name for outcome in outcomes if not outcome.ok}
    assert wrong == {"database", "S3", "sink"}
    assert not (tmp_path / "jobs.db").exists(), "a check writes nothing"
    assert all(outcome.remedy for outcome in outcomes if not outcome.ok)


@pytest.mark.parametrize("additive", [False, True])
async def test_the_schema_of_a_newer_release_is_explained(
    installed: pytest.MonkeyPatch, tmp_path: Path, additive: bool
) -> None:
    await newer(f"sqlite+aiosqlite:///{tmp_path}/jobs.db", additive=additive)
    outcomes = {outcome.name: outcome for outcome in await examine(read(Settings))}
    schema = outcomes["schema"]
    assert (
        schema.ok,
        schema.text.startswith("the database has the schema of a newer release (revision 9999)"),
    ) == (
        additive,
        not additive,
    )
    assert not any("None" in outcome.text for outcome in outcomes.values())


async def test_a_database_without_a_schema_is_explained(
    installed: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "jobs.db").touch()
    wrong = [outcome for outcome in await examine(read(Settings)) if not outcome.ok]
    assert [outcome.name for outcome in wrong] == ["schema"]
    assert wrong[0].remedy == "run: reelzero migrate"


def test_a_setting_that_cannot_be_read_is_the_only_thing_said(installed: pytest.MonkeyPatch) -> None:
    installed.setenv("REELZERO_LEASE_SECONDS", "soon")
    answer = CliRunner().invoke(app, ["doctor"])
    assert answer.exit_code == 1 and "REELZERO_LEASE_SECONDS" in answer.stderr, answer.output


def test_nothing_is_checked_and_nothing_written_where_nothing_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, ["doctor"])
    assert answer.exit_code == 1 and "there is no installation to check" in answer.stderr
    assert list(tmp_path.iterdir()) == []
