"""Submit, watch, wait, get, list, cancel, retry, rm and download against a real service."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from eventing.cli import app
from eventing.contract.records.models import Failure, JobRequest
from eventing.testing import Script
from tests.integration.api.deployment import Deployment
from tests.integration.terminal.conftest import Reelzero
from tests.support.pictures import picture
from tests.support.ports import free_port


def made(result: Result) -> list[str]:
    """The ids that a command with -q printed."""
    assert result.exit_code == 0, result.output
    return result.stdout.split()


def test_a_video_from_the_prompt_to_the_file(reelzero: Reelzero, tmp_path: Path) -> None:
    submitted = reelzero("submit", "a", "red", "circle", "--seed", "7", "--metadata", "order=1")
    assert submitted.exit_code == 0, submitted.output
    job_id, status, model = submitted.stdout.split()
    assert job_id.startswith("vid_") and (status, model) == ("queued", "tiny")
    assert f"reelzero watch {job_id}" in submitted.stderr

    watched = reelzero("watch", job_id)
    assert watched.exit_code == 0, watched.output
    assert watched.stdout == f"{job_id}  completed\n"

    job = json.loads(reelzero("get", job_id, "--json").stdout)
    assert (job["request"]["prompt"], job["request"]["seed"], job["metadata"]) == (
        "a red circle",
        7,
        {"order": "1"},
    )
    shown = reelzero("get", job_id).stdout
    assert "a red circle" in shown and job["result"]["video"]["sha256"] in shown

    (path,) = made(reelzero("download", job_id, "-q", "-o", str(tmp_path / "videos")))
    assert path == str(tmp_path / "videos" / f"{job_id}.mp4")
    assert hashlib.sha256(Path(path).read_bytes()).hexdigest() == job["result"]["video"]["sha256"]
    (poster,) = made(reelzero("download", "--variant", "poster", "-q", "--out", "poster.jpg"))
    assert poster == "poster.jpg" and Path(poster).is_file()

    assert reelzero("list", "-q", "--limit", "1").stdout.split() == [job_id]
    head, row = reelzero("list", "--limit", "1", "--status", "completed").stdout.splitlines()
    assert head.split("\t")[0] == "id" and row.split("\t")[:3] == [job_id, "completed", "100 %"]

    refused = reelzero("retry", job_id)
    assert refused.exit_code == 1 and "submit its request again, with another seed" in refused.stderr
    assert made(reelzero("rm", job_id, "-q")) == [job_id]
    gone = reelzero("get", job_id)
    assert gone.exit_code == 1 and f"there is no job {job_id}" in gone.stderr


def test_every_field_of_a_request_is_an_option(reelzero: Reelzero) -> None:
    text = reelzero("submit", "--help").stdout
    names = {"n": "-n", "loras": "--lora"}
    for field in JobRequest.model_fields.keys() - {"prompt"}:
        assert names.get(field, "--" + field.replace("_", "-")) in text, field
    (job_id,) = made(reelzero("submit", "a dot", "-q", "--size", "64x64", "--frames", "9", "--quality", "low",
                              "--start-within-seconds", "60", "--negative-prompt", "grey"))  # fmt: skip
    request = json.loads(reelzero("wait", job_id, "--json").stdout)["request"]
    assert (request["width"], request["num_frames"], request["quality"]) == (64, 9, "low")


def test_many_prompts_from_a_file_and_from_standard_input(reelzero: Reelzero, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text('a red dot\n\n{"prompt": "a blue dot", "seed": 5}\n')
    for ids in (
        made(reelzero("submit", "--file", str(file), "-q", "--seed", "4")),
        made(reelzero("submit", "-", "-q", "--seed", "4", text=file.read_text())),
    ):
        ended = json.loads(reelzero("wait", *ids, "--json").stdout)
        requests = [(job["request"]["prompt"], job["request"]["seed"]) for job in ended]
        assert requests == [("a red dot", 4), ("a blue dot", 5)]
    # A second call with the same key makes nothing.
    once, twice = (
        made(reelzero("submit", "-f", str(file), "-q", "--seed", "4", "--key", "k")) for _ in range(2)
    )
    assert once == twice and len(set(once)) == 2


def test_what_a_file_has_made_before_a_refused_line_is_printed_as_json(
    reelzero: Reelzero, tmp_path: Path
) -> None:
    (tmp_path / "lines.txt").write_text('a red dot\n{"prompt": "a dot", "model": "x"}\na blue dot\n')
    refused = reelzero("submit", "--file", "lines.txt", "--json", "-q")
    assert refused.exit_code == 2 and "unknown model" in refused.stderr
    (made_before,) = json.loads(refused.stdout)
    assert json.loads(reelzero("wait", made_before["id"], "-q", "--json").stdout)["status"] == "completed"


def test_several_videos_are_a_group_that_every_command_takes(reelzero: Reelzero, tmp_path: Path) -> None:
    ids = made(reelzero("submit", "a dot", "-n", "2", "-q"))
    assert len(ids) == 2
    group = json.loads(reelzero("get", ids[0], "--json").stdout)["group"]
    assert made(reelzero("wait", group, "-q")) == ids
    assert len(made(reelzero("download", group, "-q", "-o", str(tmp_path)))) == 2
    refused = reelzero("download", group, "--out", "one.mp4")
    assert refused.exit_code == 2 and "name a folder" in refused.stderr


def test_one_call_can_do_all_of_it(reelzero: Reelzero, tmp_path: Path) -> None:
    paths = made(reelzero("submit", "a dot", "-n", "2", "-q", "--out", str(tmp_path / "all")))
    assert sorted(paths) == sorted(str(path) for path in (tmp_path / "all").iterdir())
    assert len(json.loads(reelzero("submit", "a dot", "-n", "2", "--json", "-o", "all").stdout)) == 2


def test_a_picture_file_goes_into_the_request(reelzero: Reelzero, tmp_path: Path) -> None:
    (tmp_path / "first.png").write_bytes(picture())
    result = reelzero("submit", "a dot", "--image", str(tmp_path / "first.png"))
    assert result.exit_code == 2 and "tiny" in result.stderr and "image" in result.stderr  # it takes none
    absent = reelzero("submit", "a dot", "--image", "absent.png")
    assert absent.exit_code == 2 and "--image: absent.png cannot be read" in absent.stderr


def test_a_job_that_fails_or_is_cancelled_has_its_own_exit_status(
    reelzero: Reelzero, running: Deployment
) -> None:
    running.predictor.scripts.append(Script(failure=Failure(code="out_of_memory", message="too large")))
    failed = reelzero("submit", "a dot", "--watch")
    assert failed.exit_code == 3 and "failed  too large" in failed.stdout
    gate = asyncio.Event()
    running.predictor.scripts.append(Script(gate=gate))
    (held,) = made(reelzero("submit", "a dot", "-q"))
    late = reelzero("wait", held, "--timeout", "0.2")
    assert late.exit_code == 6 and "the jobs go on" in late.stderr
    cancelled = reelzero("cancel", held)
    assert cancelled.exit_code == 0 and cancelled.stdout.startswith(held)
    assert reelzero("wait", held).exit_code == 3
    (again,) = made(reelzero("retry", held, "-q"))
    assert again == held and reelzero("wait", held).exit_code == 0


def test_a_retry_of_a_group_leaves_its_completed_jobs(reelzero: Reelzero, running: Deployment) -> None:
    broken = Script(failure=Failure(code="out_of_memory", message="too large"))
    for earlier in made(reelzero("ps", "-q")):  # it would take a script of this test
        reelzero("wait", earlier)
    running.predictor.scripts = [Script(), broken]
    ids = made(reelzero("submit", "a dot", "-n", "2", "-q"))
    assert reelzero("wait", *ids).exit_code == 3
    group = json.loads(reelzero("get", ids[0], "--json").stdout)["group"]
    assert [job["status"] for job in json.loads(reelzero("retry", group, "--json").stdout)] == [
        "completed",
        "queued",
    ]
    assert reelzero("wait", group).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["submit", "a dot", "--fps", "500"], 2, "fps"),
        (["submit", "a dot", "--size", "big"], 2, "write it as 720x480"),
        (["submit", "a dot", "--lora", "ink=x"], 2, "ink=0.8"),
        (["submit", "a dot", "--model", "x"], 2, "unknown model"),
        (["submit", "-"], 2, "standard input has no prompt"),
        (["submit"], 2, "a prompt is missing"),
        (["submit", "a dot", "--sed", "7"], 2, "--seed"),
        (["sumbit", "a dot"], 2, "Did you mean 'submit'?"),
        (["get", "vid_absent"], 1, "there is no job vid_absent"),
        (["get", "../x"], 2, "'../x' is not an id of a job"),
        (["list", "--profile", "x"], 2, "there is no profile x"),
    ],
)
def test_what_is_wrong_is_named(reelzero: Reelzero, arguments: list[str], status: int, words: str) -> None:
    result = reelzero(*arguments)
    assert (result.exit_code, words in result.output) == (status, True), result.output
    assert "Traceback" not in result.output


def test_a_server_that_is_away_is_named_with_how_to_start_one(clean: None) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    result = CliRunner().invoke(app, ["list", "--server", address])
    assert result.exit_code == 4
    assert f"{address} cannot be reached" in result.stderr and "`reelzero up`" in result.stderr
