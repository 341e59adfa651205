"""`reelzero report` and the cost of one job, as a terminal, a script and a spreadsheet read them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from eventing.client import Client
from tests.integration.api.deployment import Deployment
from tests.integration.terminal.conftest import Reelzero


def test_a_report_is_a_table_json_csv_and_a_picture(reelzero: Reelzero, running: Deployment) -> None:
    (job_id,) = reelzero("submit", "a red circle", "-q").stdout.split()
    assert reelzero("wait", job_id).exit_code == 0
    shown = reelzero("report", "--by", "owner", "--by", "model")
    assert shown.exit_code == 0, shown.output
    heads, *lines = (line.split("\t") for line in shown.stdout.splitlines())
    known = [dict(zip(heads, line, strict=True)) for line in lines]  # other tests' owners and models, too
    rows = [row for row in known if row["owner"] != "total"]  # the last of several
    assert [row["cost"] for row in rows if (row["owner"], row["model"]) == ("local", "tiny")] == [""]
    usage = json.loads(reelzero("report", "--json", "--since", "24h").stdout)
    assert sum(int(row["videos"]) for row in rows) == usage["total"]["completed"] >= 1
    cells = csv.DictReader(io.StringIO(reelzero("report", "--csv").stdout))
    paid = sum(float(line["gpu_seconds_paid"]) for line in cells)
    assert paid == pytest.approx(usage["total"]["gpu_seconds"]["paid"], abs=0.1)
    assert reelzero("report", "--picture", "usage.svg", "-q").stdout.split() == ["usage.svg"]
    assert ElementTree.fromstring(Path("usage.svg").read_text()).tag.endswith("svg")
    with Client(running.url) as client:
        assert client.usage().total.completed == usage["total"]["completed"]
        used = client.job(job_id).usage
        assert used and used.gpu_seconds.paid > 0 and used.cost is None
    assert "GPU-seconds" in reelzero("get", job_id).stdout


def test_a_wrong_period_is_a_wrong_call(reelzero: Reelzero) -> None:
    refused = reelzero("report", "--since", "yesterday")
    assert refused.exit_code == 2 and "since" in refused.stderr and "7d" in refused.stderr


def test_a_dry_run_shows_what_it_would_take_and_makes_nothing(reelzero: Reelzero) -> None:
    (job_id,) = reelzero("submit", "a red circle", "-q").stdout.split()
    assert reelzero("wait", job_id).exit_code == 0
    listed = reelzero("list", "-q").stdout
    shown = reelzero("submit", "a red circle", "--dry-run", "-n", "3", "--seed", "4")
    assert shown.exit_code == 0, shown.output
    assert "tiny, lane default" in shown.stdout and "3 of 64x64" in shown.stdout
    assert "by the history" in shown.stdout
    view = json.loads(reelzero("submit", "a red circle", "--dry-run", "--seed", "4", "--json").stdout)
    assert (view["object"], view["request"]["seed"], view["cost"]) == ("estimate", 4, None)
    refused = reelzero("submit", "a red circle", "--dry-run", "--frames", "3")
    assert refused.exit_code == 2 and "num_frames" in refused.stderr
    assert reelzero("list", "-q").stdout == listed
