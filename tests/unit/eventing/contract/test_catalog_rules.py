"""What a model makes: frame counts, sizes on its grid, steps, guidance, and its inputs by its tasks."""

from __future__ import annotations

from typing import Any

import pytest

from eventing.contract.catalog import CatalogEntry, FrameRule, SideRule, Task, load_catalog
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import VideoRequest
from eventing.contract.unseen import unseen

TINY = load_catalog().get("tiny").model_dump()
TWO = {"steps": 4, "guidance": 4.0, "guidance_2": 3.0}
I2V = "WanImageToVideoPipeline"
PICTURES = {"text": "WanPipeline", "image": I2V, "first_last": I2V}


def entry(**fields: Any) -> CatalogEntry:
    return CatalogEntry.model_validate(TINY | fields)


def spec(model: CatalogEntry, **fields: Any) -> Any:
    return model.resolve(VideoRequest.model_validate({"prompt": "x"} | fields))


def refused(model: CatalogEntry, field: str, words: str, **fields: Any) -> None:
    with pytest.raises(InvalidRequest, match=words) as refusal:
        spec(model, **fields)
    assert refusal.value.field == field


def test_a_frame_count_off_the_rule_names_the_two_nearest() -> None:
    refused(entry(), "num_frames", r"nearest: 9 and 17\)", num_frames=12)
    refused(entry(), "num_frames", r"nearest: 49\)", num_frames=1000)
    refused(entry(), "num_frames", r"nearest: 9\)", num_frames=2)


def test_a_rule_may_start_at_another_offset() -> None:
    rule = FrameRule(multiple=17, offset=5, min=22, max=107, default=56)
    assert [count for count in range(120) if rule.allows(count)] == [22, 39, 56, 73, 90, 107]
    assert rule.neighbours(60) == [56, 73]
    assert rule.describe() == "17k+5 from 22 to 107, such as 56"


def test_a_free_size_is_on_the_grid_and_within_the_area() -> None:
    model = entry(sides=SideRule(multiple=16, min=32, max_pixels=128 * 128))
    made = spec(model, width=96, height=160)
    assert (made.width, made.height) == (96, 160)
    refused(model, "width", "multiples of 16 from 32 on and at most 16384 pixels", width=90, height=160)
    refused(model, "width", "at most 16384", width=256, height=128)
    refused(model, "width", "at most 16384", width=16, height=128)
    refused(entry(), "width", "it makes 64x64, 128x128$", width=96, height=160)


def test_fewer_steps_than_a_model_needs_are_refused() -> None:
    model = entry(min_steps=2)
    refused(model, "num_inference_steps", "at least 2 steps, not 1", num_inference_steps=1)
    assert spec(model, num_inference_steps=2).num_inference_steps == 2


def test_a_second_guidance_is_for_models_with_two_transformers() -> None:
    model = entry(quality={"low": TWO, "medium": TWO, "high": TWO})
    assert spec(model).guidance_scale_2 == 3.0
    assert spec(model, guidance_scale_2=1.5).guidance_scale_2 == 1.5
    refused(entry(), "guidance_scale_2", "has one transformer", guidance_scale_2=3.0)
    limited = entry(quality={"low": TWO, "medium": TWO, "high": TWO}, max_guidance=4.0)
    refused(limited, "guidance_scale_2", "it takes 0 to 4", guidance_scale_2=5.0)


def test_the_models_negative_prompt_is_for_requests_that_send_none() -> None:
    model = entry(negative_prompt="blurry")
    assert spec(model, guidance_scale=3.0).negative_prompt == "blurry"
    assert spec(model, guidance_scale=3.0, negative_prompt="").negative_prompt == ""
    assert spec(model, guidance_scale=3.0, negative_prompt="grey").negative_prompt == "grey"
    assert spec(model, guidance_scale=1.0).negative_prompt == "", "guidance of 1 does not read it"


def test_a_negative_prompt_without_guidance_is_a_warning() -> None:
    model = entry()
    assert unseen(spec(model, negative_prompt="grey", guidance_scale=1.0)) == (
        "the negative_prompt has no effect: guidance_scale is 1, and it must be above 1",
    )
    assert unseen(spec(model, negative_prompt="grey", guidance_scale=2.0)) == ()
    assert unseen(spec(model)) == ()


@pytest.mark.parametrize(
    ("tasks", "inputs"),
    [
        ({"text": "auto"}, {}),
        ({"text": "auto", "image": "auto"}, {"image": "optional"}),
        ({"image": "auto", "strength": True}, {"image": "required", "strength": "optional"}),
        ({"image": "auto", "first_last": "auto"}, {"image": "required", "last_image": "optional"}),
        ({"first_last": "auto"}, {"image": "required", "last_image": "required"}),
    ],
)
def test_the_inputs_follow_from_the_tasks(tasks: dict[str, Any], inputs: dict[str, str]) -> None:
    always = {"prompt": "required", "negative_prompt": "optional"}
    assert entry(tasks=tasks).inputs == always | inputs


def test_a_model_without_guidance_takes_no_negative_prompt() -> None:
    assert load_catalog().get("shapes-tiny").inputs == {"prompt": "required", "image": "optional"}


@pytest.mark.parametrize(
    ("tasks", "image", "last", "field"),
    [
        ({"text": "auto"}, True, False, "image"),
        ({"text": "auto", "image": "auto"}, True, True, "last_image"),
        ({"text": "auto", "image": "auto", "first_last": "auto"}, False, True, "last_image"),
        ({"image": "auto"}, False, False, "image"),
        ({"first_last": "auto"}, True, False, "last_image"),
        ({"text": "auto", "first_last": "auto"}, True, False, "last_image"),
    ],
)
def test_pictures_that_a_model_cannot_take_name_the_field(
    tasks: dict[str, Any], image: bool, last: bool, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        entry(tasks=tasks).tasks.choose("tiny", image=image, last_image=last)
    assert refusal.value.field == field


def test_the_pictures_choose_the_task() -> None:
    tasks = entry(tasks=PICTURES).tasks
    assert tasks.choose("tiny", image=False, last_image=False) is Task.text
    assert tasks.choose("tiny", image=True, last_image=False) is Task.image
    assert tasks.choose("tiny", image=True, last_image=True) is Task.first_last


def test_sound_comes_with_the_video_unless_the_request_says_otherwise() -> None:
    model = entry(sound={"rate": 24_000, "channels": 1})
    assert [spec(model, generate_audio=wish).generate_audio for wish in (None, True, False)] == [
        True,
        True,
        False,
    ]
    assert [spec(entry(), generate_audio=wish).generate_audio for wish in (None, False)] == [None, None]
    refused(entry(), "generate_audio", "tiny makes videos without sound", generate_audio=True)
    assert model.inputs["generate_audio"] == "optional"


@pytest.mark.parametrize("sound", [{"rate": 24_001, "channels": 1}, {"rate": 24_000, "channels": 6}, {}])
def test_sound_that_no_mp4_can_have_is_refused_in_an_entry(sound: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="sound"):
        entry(sound=sound)
