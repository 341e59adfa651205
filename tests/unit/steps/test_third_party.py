"""Somebody's model as a step: the page's example, in an environment with other versions of libraries."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest
import yaml

from eventing.contract.stories.catalog import load_step_types
from eventing.contract.stories.document import StoryRequest
from eventing.contract.stories.graph import Video, check
from eventing.contract.stories.types import Command, Service, StepType
from steps import bundle
from steps.media import cues
from steps.runner import settings
from tests.unit.steps.running import attempt
from tests.unit.steps.store import Store

PAGE = Path(__file__).parents[3] / "docs" / "stories" / "wrap-a-model.md"
MODEL = """
import pydantic

def load(size):
    assert pydantic.VERSION == "0.1", "the model needs pydantic 0.1"
    return Model()

class Model:
    def align(self, speech, text):
        assert speech.read_bytes().startswith(b"RIFF")
        return [{"text": word, "start": n, "end": n + 1} for n, word in enumerate(text.split())]
"""


def blocks(language: str) -> list[str]:
    """The examples of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def words() -> list[str]:
    """The command of the page's type."""
    run = StepType.model_validate(yaml.safe_load(blocks("yaml")[0])).run
    assert isinstance(run, Command)
    return list(run.words)


def unknown(*_: Any) -> Video:
    raise AssertionError("there is no video in the page's story")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of the model's own: its package, and a pydantic that nothing here could use."""
    folder = tmp_path_factory.mktemp("aligner")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "pydantic.py").write_text('VERSION = "0.1"\n')
    (packages / "aligner.py").write_text(MODEL)
    (folder / "step.py").write_text(blocks("python")[0])
    return folder


@pytest.fixture(scope="module")
def address(environment: Path) -> Iterator[tuple[str, int]]:
    """The runner as one file, which starts the page's command in that environment."""
    bundle.write(environment / "runner.pyz")
    places = {"python3": f"{environment}/bin/python", "/opt/aligner/step.py": f"{environment}/step.py"}
    env = {"REELZERO_STEPS": json.dumps({"align": [places.get(word, word) for word in words()]})}
    env |= {"PORT": "0", "REELZERO_RUNNER_HOST": "127.0.0.1", "PATH": os.environ["PATH"]}
    env |= {"REELZERO_SCRATCH_DIR": str(environment)}
    command = [sys.executable, "-I", str(environment / "runner.pyz")]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        host, port = process.stdout.readline().split("//")[1].strip().split(":")
        yield host, int(port)
        process.terminate()


def test_a_model_with_other_versions_of_libraries_is_a_step(
    address: tuple[str, int], store: Store, tmp_path: Path
) -> None:
    assert pydantic.VERSION != "0.1"
    speech = store.add("speech", b"RIFF\0\0\0\0WAVE") | {"media": ["audio/*"]}
    manifest = store.target("manifest")
    order = {
        "identity": {"job_id": "j"}, "inputs": {"speech": speech}, "manifest": manifest,
        "parameters": {"text": "Once there was a red circle."},
        "outputs": {"timings": store.target("timings", content_type="application/json")},
    }  # fmt: skip
    records = attempt(address, "align", order)
    assert records[-1]["type"] == "completed", records[-1]
    assert 10 in [record["progress"]["step"] for record in records if "progress" in record]
    (tmp_path / "timings").write_bytes(store.files["/timings"])
    spoken = [word.text for word in cues.read_words("timings", tmp_path / "timings")]
    assert spoken == ["Once", "there", "was", "a", "red", "circle."]


def test_the_type_and_the_story_of_the_page_hold(tmp_path: Path) -> None:
    (tmp_path / "align.yaml").write_text(blocks("yaml")[0])
    types = load_step_types(tmp_path)
    story = StoryRequest.model_validate(json.loads(blocks("json")[0]))
    assert [step.name for step in check(story.steps, types, unknown)] == ["words", "subtitles"]


def test_the_values_of_the_page_have_a_type_and_its_service() -> None:
    values = yaml.safe_load(blocks("yaml")[1])
    kind = StepType.model_validate({"name": "align", **values["stepTypes"]["align"]})
    assert isinstance(kind.run, Command)
    assert list(kind.run.words) == words()
    assert values["steps"][1]["types"] == ["align"]


def test_the_settings_of_the_page_are_read() -> None:
    commands = [settings.read({"REELZERO_STEPS": text}).commands["align"] for text in settings_of_the_page()]
    assert commands == [words(), "http://aligner:8000/align"]
    run = yaml.safe_load(re.findall(r"`run: (\{.*?\})`", PAGE.read_text())[0])
    assert Service.model_validate(run).url == commands[1]


def settings_of_the_page() -> list[str]:
    return re.findall(r"`REELZERO_STEPS`(?::| is) `(.*?)`", PAGE.read_text())


def test_the_dockerfile_of_the_page_adds_the_runner_alone() -> None:
    (lines,) = blocks("dockerfile")
    assert [line.split()[0] for line in lines.splitlines()] == ["FROM", "COPY", "ENTRYPOINT"]
