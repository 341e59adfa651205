"""`reelzero up` with weights that are missing: it is shown and refused before a job, until they are there."""

from __future__ import annotations

import json
import shutil
import urllib.error
from pathlib import Path

import pytest

from predictor.models.loading import ASSETS
from tests.acceptance.command import reelzero
from tests.acceptance.test_up import call
from tests.support.waiting import eventually

MODEL = "ltx-video"


async def test_a_model_without_weights_takes_no_job_until_they_are_there(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    with reelzero(
        "up", "--port", "0", "--data-dir", str(tmp_path / "data"), "--models-dir", str(models),
        "--model", "shapes-tiny", "--model", MODEL, REELZERO_DEVICE="cpu", HF_HOME=str(tmp_path / "hf"),
    ) as up:  # fmt: skip
        url = up.until("^ready ").split()[1]
        assert up.until("  models ").split() == ["models", "shapes-tiny"]
        assert f"{MODEL}: the weights of {MODEL} are missing" in up.until("  cannot run ")
        assert call(f"{url}/v1/models/shapes-tiny")["unavailable"] == {}
        reason = call(f"{url}/v1/models/{MODEL}")["unavailable"]["default"]
        assert str(models / MODEL) in reason
        with pytest.raises(urllib.error.HTTPError) as refusal:
            call(f"{url}/v1/jobs", {"prompt": "a red dot", "model": MODEL})
        problem = json.load(refusal.value)
        assert (problem["status"], problem["field"]) == (422, "model") and reason in problem["detail"]
        assert call(f"{url}/v1/jobs")["data"] == []
        shutil.copytree(ASSETS / "shapes-tiny", models / MODEL)
        await eventually(lambda: not call(f"{url}/v1/models/{MODEL}")["unavailable"])
        up.interrupt()
        assert up.end() == 0, up.text
