"""The pages for callers, tried as a reader would: against the server that the README starts."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.doc_examples import (
    PAGES,
    ROOT,
    TUTORIAL,
    Example,
    Reader,
    agree,
    default_server,
    examples,
    run_python,
    run_shell,
)

needs_shell = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq: apt-get install curl jq"
)
SCRIPTS = [
    pytest.param(example, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, example in enumerate(examples(page, "python"))
    if example.needs is None  # what needs a client of its own runs with `make conformance`
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """One server for all pages, since each of them says how it is started."""
    with default_server(tmp_path_factory.mktemp("reader")) as reader:
        yield reader


@needs_shell
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_shell_examples_print_what_the_page_shows(reader: Reader, page: Path) -> None:
    shown = [example.response or "" for example in examples(page, "bash")]
    printed = run_shell(page, reader) if shown else []
    assert len(printed) == len(shown)
    for response, output in zip(shown, printed, strict=True):
        assert agree(response, output), f"{page.name} shows\n{response}\nand the shell printed\n{output}"


@pytest.mark.parametrize("example", SCRIPTS)
def test_python_examples_print_what_the_page_shows(reader: Reader, example: Example) -> None:
    printed = run_python(example, reader)
    assert agree(example.response or "", printed), printed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_example_shows_its_response_and_no_loop_is_endless(page: Path) -> None:
    for language in ("bash", "python"):
        for example in examples(page, language):
            assert example.response, f"{page.name} shows no response for\n{example.code}"
            assert "while" not in example.code, f"{page.name} has a loop without a bound\n{example.code}"


def test_up_introduces_itself_as_the_tutorial_shows(reader: Reader) -> None:
    session = re.search(r"^\$ reelzero up\n(.*?)^```$", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)
    assert session
    shown = session[1].replace("/home/you/films", str(reader.folder))
    assert agree(shown, reader.introduction), reader.introduction


def test_the_tutorial_installs_what_the_package_offers() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = re.findall(r"reelzero\[([\w,]+)\]", TUTORIAL.read_text())
    assert extras
    for names in extras:
        assert set(names.split(",")) <= set(project["optional-dependencies"])
    assert "reelzero" in project["scripts"]
