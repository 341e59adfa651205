"""A picture inside a request is a file of its story: in the document only its address, with the same seed."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace

from eventing.contract.codecs.validation import validated
from eventing.contract.records.results import StoredFile
from eventing.contract.stories.document import StoryRequest
from eventing.drafts import Origin
from eventing.stories.inline import outside
from tests.unit.eventing.stories.test_plan import PLANNER

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(4000)
INSIDE = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
DIGEST = hashlib.sha256(PICTURE).hexdigest()
FILE = StoredFile(
    uri=f"s3://reelzero/stories/story_1/inputs/{DIGEST}",
    sha256=DIGEST, bytes=len(PICTURE), content_type="image/png",
)  # fmt: skip
SCENE = {"prompt": "a red circle", "with": {"model": "wan2.2-ti2v-5b"}}


async def test_a_picture_inside_a_scene_becomes_a_file_whose_revision_makes_the_same_video() -> None:
    document = {"scenes": [{**SCENE, "image": INSIDE}, {"image": INSIDE}]}
    plan = await PLANNER.plan(validated(StoryRequest, document), Origin("ann", "rest"))
    assert plan.has_addresses
    mine = {name: {INSIDE: FILE} for name in ("video-1", "scene-2")}
    steps = tuple(replace(step, fetched=mine.get(step.name, {})) for step in plan.story.steps)
    story = outside(replace(plan.story, steps=steps), {INSIDE: FILE})
    assert [scene["image"] for scene in story.document["scenes"]] == [FILE.uri, FILE.uri]
    for name in ("video-1", "scene-2"):
        step = story.by_name[name]
        assert (step.sources["image"], dict(step.fetched)) == ((FILE.uri,), {FILE.uri: FILE})
    again = await PLANNER.plan(validated(StoryRequest, story.document), Origin("ann", "rest"))
    assert again.story.by_name["video-1"].parameters == story.by_name["video-1"].parameters
