"""The alerts by themselves: what promtool says of them, and the page that each one links to."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.render import CHART, ROOT
from tests.observability.prometheus import tool

RULES = CHART / "files" / "alerts.yaml"
TESTS = Path(__file__).with_name("alerts_test.yaml")
PAGES = ROOT / "docs" / "runbooks"
OURS = "https://github.com/reelzero/reelzero/blob/main/docs/runbooks/"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
HEADINGS = ["First look", "Causes, the most likely first", "What to do", "When it ends"]


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_promtool_finds_nothing_in_the_rules() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)


def test_each_alert_fires_on_its_situation_and_not_beside_it() -> None:
    assert "SUCCESS" in promtool("test", "rules", TESTS)


def test_both_sides_of_each_alert_are_tested() -> None:
    cases = yaml.safe_load(TESTS.read_text())["tests"]
    quiet = {each["alertname"] for case in cases for each in case.get("alert_rule_test", [])}
    fires = " ".join(
        sample["labels"]
        for case in cases
        for each in case["promql_expr_test"]
        for sample in each["exp_samples"]
    )
    assert quiet == ALERTS.keys() == set(re.findall(r'alertname="(\w+)"', fires))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_is_and_how_bad_in_plain_words(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert len(rule["annotations"]["description"]) > 80


def page_of(name: str) -> Path:
    return PAGES / str(ALERTS[name]["annotations"]["runbook_url"]).removeprefix(OURS)


def test_each_alert_has_its_page_and_each_page_its_alert() -> None:
    assert sorted(map(page_of, ALERTS)) == sorted(set(PAGES.glob("*.md")) - {PAGES / "README.md"})
    table = (PAGES / "README.md").read_text()
    for name, rule in ALERTS.items():
        row = f"| `{name}` | {rule['labels']['severity']} | ["
        assert row in table and f"]({page_of(name).name}) |" in table.partition(row)[2].partition("\n")[0]


@pytest.mark.parametrize("name", ALERTS)
def test_a_page_answers_the_questions_of_the_night(name: str) -> None:
    text, rule = page_of(name).read_text(), ALERTS[name]
    minutes = int(rule["for"].removesuffix("m"))
    lasts = f"after {minutes} minute{'s' if minutes > 1 else ''}"
    assert f"Alert: `{name}`, {rule['labels']['severity']}, {lasts}." in text
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    assert "**What it means.**" in text and "**What users notice.**" in text
    assert "```bash" in text
