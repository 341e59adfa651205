"""Documents that hold: settings complete, links alive, the tree in the README true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import rules_page
from tests.support.settings_table import PAGE, filled

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def test_every_setting_is_documented_as_it_is() -> None:
    assert PAGE.read_text() == filled(PAGE.read_text()), "run: python -m tests.support.settings_table"


def test_every_rule_of_the_doctor_is_documented_as_it_is() -> None:
    text = rules_page.PAGE.read_text()
    assert text == rules_page.filled(text), "run: python -m tests.support.rules_page"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_links_in_the_readme_are_absolute_and_lead_somewhere() -> None:
    """The package index shows the README without the files beside it."""
    ours = re.compile(
        r"https://(?:github|raw\.githubusercontent)\.com/reelzero/reelzero/(?:blob/)?main/([^#]+)"
    )
    for target in re.findall(r"\]\(([^)#\s]+)", (ROOT / "README.md").read_text()):
        assert target.startswith("https://"), f"the README links to {target}"
        if match := ours.match(target):
            assert (ROOT / match[1]).exists(), f"the README links to {target}"


def test_the_tree_in_the_readme_is_the_tree() -> None:
    block = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    names = re.findall(r"^(\S+/?)\s{2,}", block[1], re.MULTILINE)
    assert len(names) > 10
    for name in names:
        assert (ROOT / name).exists(), f"the README names {name}"
