"""The site of the documents: every page is in its navigation, and nothing comes from another host."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MKDOCS = ROOT / "build" / "docs" / "bin" / "mkdocs"


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site" / "hooks.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(nav: list[Any]) -> list[str]:
    """All pages of a navigation."""
    pages: list[str] = []
    for entry in nav:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        pages += names(value) if isinstance(value, list) else [value]
    return pages


def test_every_page_is_in_the_navigation_once(hooks: ModuleType) -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text().split("\nnav:\n")[1])
    config = hooks.on_config(SimpleNamespace(docs_dir=str(DOCS), nav=nav))
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert sorted(names(config.nav)) == sorted(pages)


@pytest.mark.parametrize(
    ("page", "text", "site"),
    [
        (
            "models.md",
            "[a](../tests/a.py)",
            "[a](https://github.com/reelzero/reelzero/blob/main/tests/a.py)",
        ),
        ("clients/rest.md", "[a](../models.md)", "[a](../models.md)"),
        (
            "install/gpu.md",
            "[a](../../config/x.md)",
            "[a](https://github.com/reelzero/reelzero/blob/main/config/x.md)",
        ),
        ("install/x.md", "```mermaid\nflowchart\n```", "![Diagram](../images/x.svg)"),
    ],
)
def test_links_and_diagrams_become_what_a_site_can_show(
    hooks: ModuleType, page: str, text: str, site: str
) -> None:
    assert hooks.on_page_markdown(text, SimpleNamespace(file=SimpleNamespace(src_uri=page))) == site


@pytest.mark.parametrize("tag", ['<script src="//x.org/a.js">', "<img src=https://x.org/a.png>"])
def test_a_page_that_loads_from_another_host_stops_the_build(
    hooks: ModuleType, tmp_path: Path, tag: str
) -> None:
    page = tmp_path / "index.html"
    page.write_text('<a href="https://x.org">a link</a><script src="a.js"></script>')
    hooks.on_post_build(SimpleNamespace(site_dir=str(tmp_path)))
    page.write_text(tag)
    with pytest.raises(ValueError, match="another host"):
        hooks.on_post_build(SimpleNamespace(site_dir=str(tmp_path)))


@pytest.mark.skipif(not MKDOCS.exists(), reason="needs the generator of the site: make docs installs it")
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [str(MKDOCS), "build", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    start = (tmp_path / "site" / "index.html").read_text()
    assert re.search(r'href="clients/rest\.html"', start)
    shutil.rmtree(tmp_path / "site")
