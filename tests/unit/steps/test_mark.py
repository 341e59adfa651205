"""A film says that AI had a part in it, and names the videos that it is made of."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
import pytest

from eventing.contract.certificates import make_self_made
from eventing.contract.credentials import Credentials, Origin
from steps.builtin import film, fit
from steps.media import clips
from steps.media.frames import FILM, Shape
from steps.media.mark import credentials
from steps.work import StepError, Work

SHAPE = Shape(64, 64, Fraction(8))
FRAME = np.full((96, 64), 128, np.uint8)  # yuv420p: gray


def video(path: Path) -> str:
    """A signed video of a model; the URN of its credentials."""
    with av.open(str(path), "w", format="mp4") as container:
        clips.muxed(container, SHAPE, [FRAME] * 8, None, ("libx264", FILM), ("aac", {}))
    signed = Credentials(make_self_made()).sign(
        path, Origin("tiny", "local", "0" * 64, "2026-01-01T00:00:00Z")
    )
    return signed.manifest


def work(folder: Path, inputs: dict[str, tuple[Path, ...]], *outputs: str, **parameters: Any) -> Work:
    folder.mkdir()
    return Work(inputs, {name: folder / name for name in outputs}, parameters, lambda share: None)


def test_a_film_names_the_videos_that_it_is_made_of(tmp_path: Path) -> None:
    urns = [video(tmp_path / f"{n}.mp4") for n in range(2)]
    fitted = []
    for n in range(2):
        job = work(tmp_path / f"fit{n}", {"clip": (tmp_path / f"{n}.mp4",)}, "clip", "preview")
        fit.run(job)
        fitted.append(job.outputs["clip"])
    job = work(tmp_path / "film", {"clips": tuple(fitted)}, "film", "subtitles", "poster")
    film.run(job)
    with job.outputs["film"].open("rb") as file, c2pa.Reader("video/mp4", file) as reader:
        assert reader.get_validation_state() == "Valid"
        text = reader.json()
    active = json.loads(text)["manifests"][json.loads(text)["active_manifest"]]
    assert [one["instance_id"] for one in active["ingredients"]] == urns
    assert {one["relationship"] for one in active["ingredients"]} == {"componentOf"}
    assert "compositeWithTrainedAlgorithmicMedia" in text
    assert sorted(path.name for path in (tmp_path / "film").iterdir()) == ["film", "poster", "subtitles"]


def test_a_certificate_that_does_not_fit_is_named_and_a_mark_can_be_off(tmp_path: Path) -> None:
    assert credentials({"REELZERO_MARK": "off"}) is None
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    env = {"REELZERO_MARK_CERTIFICATE": str(wrong), "REELZERO_MARK_KEY": str(wrong)}
    with pytest.raises(StepError, match="REELZERO_MARK_CERTIFICATE holds no PEM certificate"):
        credentials(env)
