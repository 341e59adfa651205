"""Documents that hold: generated parts fresh, links and anchors alive, the tree in the README true."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.support import diagrams, errors_page, fields_page, llms_text, rules_page, steps_page
from tests.support.settings_table import PAGE, filled

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)")
OURS = re.compile(
    r"https://(?:github|raw\.githubusercontent)\.com/reelzero/reelzero/(?:(?:blob|tree)/)?main/"
)
ELSEWHERE = ("http:", "https:", "mailto:")


@cache
def prose(page: Path) -> str:
    """A page without its examples."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> list[str]:
    """The anchors of a page's headings, as GitHub and the site write them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    marks = re.findall(r"<a id=\"([^\"]+)\">", prose(page))
    return marks + [re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts]


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere: to a file or to an anchor that does not exist."""
    wrong = []
    for target in LINK.findall(prose(page)):
        if target.startswith(ELSEWHERE) and not OURS.match(target):
            continue
        path, _, anchor = target.partition("#")
        file = ROOT / OURS.sub("", path) if OURS.match(path) else page.parent / path if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchors(file).count(anchor) != 1):
            wrong.append(target)
    return wrong


def test_every_setting_is_documented_as_it_is() -> None:
    assert PAGE.read_text() == filled(PAGE.read_text()), "run: python -m tests.support.settings_table"


def test_every_rule_of_the_doctor_is_documented_as_it_is() -> None:
    text = rules_page.PAGE.read_text()
    assert text == rules_page.filled(text), "run: python -m tests.support.rules_page"


def test_every_field_error_and_step_is_documented_as_it_is() -> None:
    for page in (fields_page, errors_page, steps_page):
        assert page.PAGE.read_text() == page.text(), f"run: python -m {page.__name__}"


def test_the_text_for_language_models_is_as_the_pages_are() -> None:
    for copy in llms_text.COPIES:
        assert copy.read_text() == llms_text.text(), "run: python -m tests.support.llms_text"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `title`: here\n[a](#a-title-here) [b](#no) [c](no.md) [d](\nhttps://github.com/reelzero/reelzero/blob/main/no.md)"
    )
    assert broken(page) == ["#no", "no.md", "https://github.com/reelzero/reelzero/blob/main/no.md"]


def test_every_diagram_is_drawn_as_it_is() -> None:
    for picture, source in diagrams.sources().items():
        assert picture.exists() and diagrams.mark(source) in picture.read_text(), diagrams.__doc__


def test_links_in_the_readme_are_absolute() -> None:
    """The package index shows the README without the files beside it."""
    relative = [link for link in LINK.findall(prose(ROOT / "README.md")) if not link.startswith("https://")]
    assert relative == []


def test_the_tree_in_the_readme_is_the_tree() -> None:
    block = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    names = re.findall(r"^(\S+/?)\s{2,}", block[1], re.MULTILINE)
    assert len(names) > 10
    for name in names:
        assert (ROOT / name).exists(), f"the README names {name}"
