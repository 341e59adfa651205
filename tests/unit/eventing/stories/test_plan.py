"""A request becomes a story whose steps are checked, whose seeds are fixed, whose time and cost are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from eventing.contract.catalog import load_catalog
from eventing.contract.codecs.validation import validated
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import GenerationSpec
from eventing.contract.stories.document import StoryRequest
from eventing.contract.stories.scenes import load_templates
from eventing.costs import Costs
from eventing.domain.estimate import Expected
from eventing.drafts import Origin
from eventing.served import Served
from eventing.settings import Endpoint, Settings
from eventing.stories.plan import Plan, Planner
from eventing.stories.scenes import Scenes
from eventing.stories.videos import VideoSteps
from tests.support.step_types import TYPES

CATALOG = load_catalog()
SETTINGS = Settings(
    endpoints=(Endpoint(model="tiny"), Endpoint(model="wan2.2-ti2v-5b")), gpu_hour_price=3600.0
)
SERVED = Served(SETTINGS, CATALOG)
TITLE = {"uses": "title", "with": {"width": 64, "height": 64, "fps": 8}}


async def ten_seconds(_models: Iterable[str]) -> Callable[[GenerationSpec], Expected]:
    return lambda _spec: Expected(10.0, 10.0, "history")


PLANNER = Planner(
    scenes=Scenes(load_templates(), CATALOG, SERVED),
    videos=VideoSteps(CATALOG, SERVED, ten_seconds),
    types=TYPES,
    costs=Costs(SETTINGS, CATALOG, TYPES),
    inputs=None,  # type: ignore[arg-type] # nothing is fetched here
    slots=lambda _pool: 1,
    has_webhooks=False,
)


async def plan(document: dict[str, Any], story_id: str | None = None) -> Plan:
    return await PLANNER.plan(validated(StoryRequest, document), Origin("ann", "rest"), story_id)


def scene(prompt: str, **fields: Any) -> dict[str, Any]:
    return {"prompt": prompt, **fields}


async def seeds_of(*scenes: dict[str, Any]) -> dict[str, int]:
    story = (await plan({"scenes": list(scenes)})).story
    return {
        step.parameters["prompt"] + step.name: step.parameters["seed"]
        for step in story.steps
        if step.is_video
    }


async def test_scenes_become_steps_in_order_of_need_with_whole_specs() -> None:
    made = await plan({"scenes": [scene("a red circle", narration="Here."), {"title": "End"}]}, "mine")
    story = made.story
    assert [step.name for step in story.steps][-1] == "film"
    video = story.by_name["video-1"]
    assert (video.lane, video.seconds, video.parameters["model"]) == ("default", 10.0, "tiny")
    assert GenerationSpec.model_validate(video.parameters).num_frames > 0
    assert story.by_name["scene-1"].needs == {"video-1", "speech-1"}
    assert (story.chosen_id, story.owner, story.public_id) == ("mine", "ann", "mine")
    assert story.document["scenes"][0] == {"prompt": "a red circle", "narration": "Here."}
    assert made.expected_seconds == 14.0, "the video, its fitting and the film"
    assert made.expected_cost == pytest.approx(0.0), "tiny runs on a CPU"
    assert not made.has_addresses


async def test_steps_that_share_workers_wait_for_each_other() -> None:
    made = await plan({"scenes": [scene("a"), scene("b"), scene("c")]})
    assert made.expected_seconds == 30.0


async def test_a_seed_stays_with_what_a_scene_shows_and_equal_scenes_have_others() -> None:
    old = await seeds_of(scene("a"), scene("b", narration="Old."), scene("a"))
    assert len(set(old.values())) == 3
    new = await seeds_of(scene("x"), scene("b", narration="New."), scene("a"))
    assert (new["bvideo-2"], new["avideo-3"]) == (old["bvideo-2"], old["avideo-1"])
    moved = await seeds_of(scene("b"), scene("a"))
    assert set(moved.values()) == {old["bvideo-2"], old["avideo-1"]}
    own = await seeds_of(scene("a", **{"with": {"seed": 7}}))
    assert list(own.values()) == [7]


async def test_a_step_that_takes_the_picture_of_another_is_checked_by_the_catalog() -> None:
    steps = {"a": {"uses": "video", "with": {"prompt": "x"}}}
    second = {
        "uses": "video",
        "with": {"prompt": "y", "model": "wan2.2-ti2v-5b"},
        "inputs": {"image": "a.poster"},
    }
    made = await plan({"steps": steps | {"b": second}})
    assert made.story.by_name["b"].parameters["image_fit"] == "crop"
    inside = {"uses": "video", "with": {"prompt": "y", "image": "https://example.com/a.png"}}
    with pytest.raises(InvalidRequest, match=r"steps.b.with.image: is an input of the step"):
        await plan({"steps": steps | {"b": inside}})


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"scenes": [{"title": "x"}, scene("a", narration="n" * 41)]}, "scenes[1].narration"),
        ({"scenes": [scene("a", **{"with": {"num_frames": 6}})]}, "scenes[0].with.num_frames"),
        ({"scenes": [scene("a")], "film": {"width": 17}}, "film.width"),
        ({"scenes": [scene("a")], "film": {"model": "none"}}, "film.model"),
        ({"scenes": [scene("a", image="nothing.clip")]}, "scenes[0].image"),
        ({"scenes": [{"title": "x"}], "film": {"music": "scene-1.clip"}}, "film.music"),
        ({"steps": {"a": {"uses": "video", "with": {"prompt": "x", "n": 2}}}}, "steps.a.with.n"),
        ({"steps": {"a": {"uses": "video", "with": {"prompt": "x", "lane": "long"}}}}, "steps.a.with.lane"),
        ({"steps": {"a": {"uses": "video", "with": {"model": 7, "prompt": "x"}}}}, "steps.a.with.model"),
        ({"steps": {"a": {"uses": "video"}}}, "steps.a.with.prompt"),
        ({"steps": {"a": TITLE}, "callback_url": "https://example.com/hook"}, "callback_url"),
    ],
)  # fmt: skip
async def test_a_fault_names_its_path(document: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        await plan(document)
    assert error.value.field == path
    assert path in error.value.sentence()
