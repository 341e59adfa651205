"""What a caller sees of a story: its steps with their jobs, its files by their addresses."""

from __future__ import annotations

from dataclasses import replace

from eventing.api.stories.views import story_view
from eventing.contract.records.models import Failure, Progress, Stage, Status
from eventing.domain import job as job_state
from eventing.domain import story as state
from eventing.domain.job import Job
from tests.support.builders import make_job
from tests.support.stories import files, make_story, step

HALF = Progress(stage=Stage.denoise, step=1, total_steps=2)


def running(job_id: str) -> Job:
    held = job_state.claim(make_job(id=job_id), "me", 101.0, 30.0)
    return job_state.renew(job_state.start(held, 1, 102.0), 1, HALF, 103.0, 30.0)


def test_a_step_shows_whether_its_job_waits_or_how_far_it_is() -> None:
    story = state.begin(state.begin(make_story(), "one", "job-1", 101.0), "two", "job-2", 101.0)
    jobs = {"job-1": running("job-1"), "job-2": make_job(id="job-2")}
    view = story_view(story, jobs)
    one, two, film = view.steps
    assert (view.status, view.percent) == (Status.in_progress, 11)  # 45 % of a quarter
    assert (one.state, one.percent, one.queued) == ("running", 45, False)
    assert (two.state, two.percent, two.queued) == ("running", 0, True)
    assert (film.state, film.percent, film.queued, film.needs) == ("waiting", 0, False, ("one", "two"))
    assert view.updated_at.timestamp() == 103.0


def test_only_a_video_shows_its_job_which_has_a_preview() -> None:
    story = make_story(steps=(step("video-1", uses="video"), step("scene-1", "video-1")))
    story = state.complete(state.begin(story, "video-1", "vid_1", 101.0), "video-1", {}, 102.0)
    view = story_view(state.begin(story, "scene-1", "step_1", 103.0), {})
    assert [each.job_id for each in view.steps] == ["vid_1", None]
    assert view.steps[1].queued  # its job is not read yet


def test_files_have_addresses_under_the_id_that_the_owner_chose() -> None:
    story = state.reuse(make_story(chosen_id="news-7"), "one", files("one", "clip"), 101.0, "print")
    first = story_view(story, {}, "/video").steps[0]
    assert (first.reused, first.seconds) == (True, None)
    assert first.outputs["clip"].url == "/video/v1/stories/news-7/files/one/clip"
    assert first.outputs["clip"].sha256 == story.steps[0].outputs["clip"].sha256


def test_a_failed_story_says_which_step_and_why_a_job_waits() -> None:
    broken = Failure(code="model_unavailable", message="no weights")
    begun = state.begin(make_story(), "one", "job-1", 101.0)
    waiting = replace(make_job(id="job-1"), error=broken)
    assert story_view(begun, {"job-1": waiting}).steps[0].waiting_for == "model_unavailable"
    view = story_view(state.fail(begun, "one", broken, 102.0), {"job-1": waiting})
    assert (view.status, view.steps[0].waiting_for) == (Status.failed, None)
    assert view.error and view.error.message == "steps.one: no weights"
    assert [each.state for each in view.steps] == ["failed", "skipped", "skipped"]
