"""The steps in the box as commands, and the runner as one file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from steps import __main__ as command
from steps import bundle
from steps.media import frames
from tests.unit.steps.test_builtin import RED, plain


def folders(tmp_path: Path, **parameters: object) -> list[str]:
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "parameters.json").write_text(json.dumps(parameters))
    return [str(tmp_path / name) for name in ("in", "out", "parameters.json")]


def test_a_step_takes_its_files_from_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = folders(tmp_path, transitions=[0.5])
    (tmp_path / "in/clips").mkdir()
    for number in range(2):
        plain(tmp_path / "in/clips" / f"{number:04d}", RED, 8)
    assert command.main(["concat", *words]) == 0
    assert frames.measure(tmp_path / "out/clip").count == 12
    assert capsys.readouterr().out.splitlines()[0] == "progress 0"


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("concat", {}, "inputs.clips: missing"),
        (
            "title",
            {"text": "a", "width": 64, "height": 48, "fps": 0},
            "parameters.fps: Input should be greater",
        ),
        ("title", {"colour": "red"}, "parameters."),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, parameters: dict[str, object], words: str
) -> None:
    assert command.main([name, *folders(tmp_path, **parameters)]) == 1
    assert capsys.readouterr().out.startswith(words)


def test_a_wrong_call_names_the_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["dance"]) == 2
    assert "concat, film, fit, mux, narrate, still, subtitles, title" in capsys.readouterr().out


def test_the_runner_is_one_file(tmp_path: Path) -> None:
    bundle.write(tmp_path / "runner.pyz")
    env = {"REELZERO_STEPS": '{"echo": ["echo"]}', "PORT": "0", "REELZERO_RUNNER_HOST": "127.0.0.1"}
    words = [sys.executable, "-I", str(tmp_path / "runner.pyz")]
    with tempfile.TemporaryDirectory() as folder:
        env |= {"REELZERO_SCRATCH_DIR": folder, "PATH": os.environ["PATH"]}
        with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            word, url = process.stdout.readline().split()
            with urllib.request.urlopen(f"{url}/v2/models/echo/ready") as answer:
                assert (word, answer.status) == ("ready", 200)
            process.terminate()
            assert process.wait(60) == 0
