"""The version is typed once, in eventing/__init__.py; what must repeat it agrees."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

from eventing import __version__

ROOT = Path(__file__).parents[2]


def test_the_chart_has_the_version() -> None:
    chart = yaml.safe_load((ROOT / "charts/reelzero/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_the_changelog_begins_with_unreleased_and_the_version() -> None:
    titles = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert titles[:2] == ["Unreleased", __version__]


def test_pyproject_reads_the_version_from_the_code() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "eventing/__init__.py"


def test_both_packages_say_that_they_are_typed() -> None:
    assert all((ROOT / package / "py.typed").exists() for package in ("eventing", "predictor"))


def test_the_hosted_workflow_runs_what_ci_runs_on_every_python() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    job = workflow["jobs"]["test"]
    assert job["steps"][-1] == {"run": ".ci/run"}
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
