"""The pages for callers, tried as a reader would: against the server that the README starts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.doc_examples import PAGES, Example, alike, default_server, examples, run_python, run_shell

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
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder in which `reelzero up` was called, and the environment of the shell beside it."""
    folder = tmp_path_factory.mktemp("reader")
    with default_server(folder) as environment:
        yield folder, environment


@needs_shell
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_shell_examples_print_what_the_page_shows(reader: tuple[Path, dict[str, str]], page: Path) -> None:
    shown = [example.response or "" for example in examples(page, "bash")]
    if shown:
        assert [alike(text) for text in run_shell(page, *reader)] == [alike(text) for text in shown]


@pytest.mark.parametrize("example", SCRIPTS)
def test_python_examples_print_what_the_page_shows(
    reader: tuple[Path, dict[str, str]], example: Example
) -> None:
    assert alike(run_python(example, *reader)) == alike(example.response or "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_example_shows_its_response_and_no_loop_is_endless(page: Path) -> None:
    for language in ("bash", "python"):
        for example in examples(page, language):
            assert example.response, f"{page.name} shows no response for\n{example.code}"
            assert "while" not in example.code, f"{page.name} has a loop without a bound\n{example.code}"
