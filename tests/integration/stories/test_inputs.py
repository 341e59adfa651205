"""Files at addresses: fetched at submission, kept under their SHA-256, checked by their bytes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from eventing.contract.errors import InvalidRequest, NotFound
from eventing.contract.records.models import GenerationSpec, Status
from eventing.contract.records.steps import story_prefix
from eventing.contract.storage.s3 import Bucket
from eventing.drafts import Origin
from tests.support.story_world import ANN, World, make_world

SIDES = {"width": 64, "height": 64, "fps": 8, "seconds": 1}


@pytest.fixture
async def world(tmp_path: Path, bucket: Bucket) -> AsyncIterator[World]:
    """A replica on SQLite: files have nothing to do with the database."""
    world = await make_world(f"sqlite+aiosqlite:///{tmp_path}/jobs.db", bucket)
    yield world
    await world.container.database.close()


@pytest.fixture
def png(bucket: Bucket) -> str:
    """The address of a picture in the bucket."""
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, "PNG")
    bucket.put("assets/red.png", out.getvalue(), "text/plain")
    return bucket.uri("assets/red.png")


def still(address: str) -> dict[str, Any]:
    return {"steps": {"a": {"uses": "still", "with": SIDES, "inputs": {"image": address}}}}


async def test_a_file_is_kept_under_its_digest_with_the_type_of_its_bytes(world: World, png: str) -> None:
    story = await world.submit(still(png))
    (file,) = story.steps[0].fetched.values()
    body = world.body(file)
    assert file.content_type == "image/png"
    folder = world.container.bucket.uri(f"{story_prefix(story.id)}inputs/")
    assert file.uri == folder + hashlib.sha256(body).hexdigest()
    await world.ended(story)
    moment = await world.stories.moment(story.id, "ann")
    assert moment.jobs["a"].spec.inputs["image"] == (file,)  # type: ignore[union-attr] # of a step


async def test_a_file_of_the_wrong_kind_or_of_another_owner_is_named_by_its_path(
    world: World, png: str, bucket: Bucket
) -> None:
    bucket.put("assets/notes.txt", b"some words", "image/png")
    with pytest.raises(InvalidRequest, match=r"steps.a.inputs.image: the file is text/plain, and image/\*"):
        await world.submit(still(bucket.uri("assets/notes.txt")))
    with pytest.raises(InvalidRequest, match=r"steps.a.inputs.image: .* is empty or missing"):
        await world.submit(still(bucket.uri("assets/none.png")))
    with pytest.raises(InvalidRequest, match=r"scenes\[0\].image: the file is text/plain"):
        await world.submit({"scenes": [{"image": bucket.uri("assets/notes.txt"), "seconds": 1}]})
    story = await world.submit(still(png))
    (file,) = story.steps[0].fetched.values()
    assert (await world.submit(still(file.uri))).steps[0].fetched
    with pytest.raises(InvalidRequest, match="there is no such file of a job of yours"):
        await world.submit(still(file.uri), Origin("bob", "rest"))


async def test_a_refused_story_leaves_no_files_and_the_same_id_keeps_those_of_the_first(
    world: World, png: str, bucket: Bucket
) -> None:
    before = len(bucket.keys("stories/"))
    bad = still(png)
    bad["steps"]["b"] = {"uses": "still", "with": SIDES, "inputs": {"image": bucket.uri("assets/none.png")}}
    with pytest.raises(InvalidRequest, match=r"steps.b.inputs.image"):
        await world.submit(bad)
    assert len(bucket.keys("stories/")) == before
    first = await world.submit(still(png), story_id="mine")
    second = await world.submit(still(png), story_id="mine")
    assert (first.id, second.id) == (second.id, first.id)
    (file,) = second.steps[0].fetched.values()
    assert world.body(file)


async def test_a_revision_keeps_the_bytes_of_its_pictures_although_the_address_has_others(
    world: World, png: str, bucket: Bucket
) -> None:
    document = {"scenes": [{"image": png, "seconds": 1}, {"title": "End", "seconds": 1}]}
    old = await world.ended(await world.submit(document))
    bucket.put("assets/red.png", b"GIF89a", "image/gif")
    new, _ = await world.stories.revise(old.id, {"scenes": {"2": {"title": "Fin"}}}, ANN)
    await world.stories.delete(old.id, "ann")
    file = new.by_name["scene-1"].fetched[png]
    assert file.sha256 == old.by_name["scene-1"].fetched[png].sha256 and world.body(file)
    with pytest.raises(NotFound):
        await world.stories.revise(old.id, {"scenes": {"2": None}}, ANN)


async def test_a_video_begins_with_a_picture_of_its_size(world: World, png: str) -> None:
    steps = {
        "a": {
            "uses": "video",
            "with": {"prompt": "a red circle", "model": "ltx-video"},
            "inputs": {"image": png},
        }
    }
    story = await world.submit({"steps": steps})
    await world.move()
    (job,) = await world.claim()
    assert isinstance(job.spec, GenerationSpec) and job.spec.image
    assert (job.spec.image.width, job.spec.image.height) == (job.spec.width, job.spec.height)
    assert world.container.bucket.head(world.container.bucket.key(job.spec.image.uri))
    await world.do(job)
    assert (await world.ended(story)).status is Status.completed


async def test_a_picture_that_cannot_be_decoded_fails_its_step_with_the_reason(
    world: World, bucket: Bucket
) -> None:
    bucket.put("assets/broken.png", b"\x89PNG\r\n\x1a\nnothing", "image/png")
    parameters = {"prompt": "a red circle", "model": "ltx-video"}
    address = bucket.uri("assets/broken.png")
    story = await world.submit(
        {"steps": {"a": {"uses": "video", "with": parameters, "inputs": {"image": address}}}}
    )
    failed = await world.ended(story)
    assert (failed.status, failed.error and failed.error.code) == (Status.failed, "invalid_request")
    assert failed.error and failed.error.message.startswith("steps.a: image: the picture")
