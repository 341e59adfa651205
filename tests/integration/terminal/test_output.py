"""What commands write: no control characters of others, in any encoding, into a pipe that may be closed."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest
from rich.console import Console

from eventing.cli import app
from eventing.cli.terminal.screen.output import Output
from tests.integration.terminal.conftest import Reelzero

PROMPT = "a \x1b[31mred\x9b31m\tdot\non two lines"


def test_a_terminal_obeys_no_prompt(reelzero: Reelzero) -> None:
    (job_id,) = reelzero("submit", "-", "-q", text=json.dumps({"prompt": PROMPT})).stdout.split()
    listed = reelzero("list", "--limit", "1").stdout
    assert len(listed.splitlines()) == 2, "a prompt makes no lines of a table"
    assert listed.splitlines()[1].split("\t")[-1] == r"a \x1b[31mred\x9b31m dot on two lines"
    for text in (listed, reelzero("get", job_id).stdout, reelzero("wait", job_id, "--json").stdout):
        assert not any(sign in text for sign in "\x1b\x9b")
    assert json.loads(reelzero("get", job_id, "--json").stdout)["request"]["prompt"] == PROMPT


def test_an_encoding_without_a_letter_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding="latin-1"))
    output = Output()
    output.line("é中")
    output.json({"prompt": "é中"})
    output.ids(["中.mp4", "\udcff.mp4"])
    line, document, *paths = file.getvalue().decode("latin-1").splitlines()
    assert (line, json.loads(document)) == (r"é\u4e2d", {"prompt": "é中"})
    assert paths == [r"\u4e2d.mp4", r"\udcff.mp4"]


@pytest.mark.parametrize("option", ["--json", "-q"])
def test_a_reader_that_has_read_enough_is_no_error(
    reelzero: Reelzero, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    errors = io.StringIO()
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        monkeypatch.setattr(sys, "stderr", errors)
        with pytest.raises(SystemExit) as ended:
            app(["models", "list", option])
    monkeypatch.undo()
    assert (ended.value.code, errors.getvalue()) == (1, "")


@pytest.mark.parametrize("width", [40, 50, 60, 80])
def test_a_narrow_terminal_shows_ids_whole(width: int) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    job_id = "vid_01m8bk8p6nywvy89knswew0nqp"
    row = (job_id, "in_progress", "3 min", "a red circle moving right")
    Output(console=console).table(("id", "status", "age", "prompt"), [row])
    shown = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # it is the StringIO above
    assert shown[1].startswith(job_id) and "a red" in shown[1], shown
    assert max(map(len, shown)) <= width
