"""The published schemas are the generated ones, and what we send fits them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from eventing.contract import schemas
from eventing.contract.records.events import INCOMING, REQUESTED, STORY, STORY_REQUESTED
from eventing.contract.records.models import Failure
from eventing.domain import story
from eventing.domain.announcer import Announcer
from eventing.domain.group import Group
from eventing.domain.job import cancel, claim, complete, fail, start
from eventing.domain.story_announcer import StoryAnnouncer
from eventing.testing import fake_result
from tests.support.builders import make_job
from tests.support.stories import files, make_story

DOCS = Path(__file__).parents[4] / "docs"
ANNOUNCER = Announcer("urn:test", "http://test", sink=True)


def check(event: dict[str, Any]) -> None:
    schema = schemas.event_schema(event["type"])
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(event)


def test_what_is_published_is_what_the_models_say() -> None:
    for name, text in schemas.documents().items():
        assert (DOCS / name).read_text() == text, f"{name}: run python -m eventing.contract.schemas"
    assert {path.name for path in (DOCS / "schemas").iterdir()} == {f"{k}.json" for k in schemas.PAYLOADS}


def test_every_event_of_a_job_fits_its_schema() -> None:
    job = make_job()
    held = claim(job, "me", 101.0, 30.0)
    started = start(held, 1, 102.0)
    ends = [
        fail(started, 1, Failure(code="out_of_memory", message="too large"), 103.0, 60.0),
        cancel(started, 103.0, 60.0),
        complete(started, 1, fake_result(job.video, job.id, 1, None), 103.0, 60.0),
    ]
    pairs = [(held, started), *((started, end) for end in ends)]
    messages = [message for old, new in pairs for message in ANNOUNCER.transition(old, new)]
    messages += ANNOUNCER.progressed(started)
    messages += ANNOUNCER.group_completed(Group("grp_1", tuple(ends)), ends[-1])
    messages += ANNOUNCER.rejected(
        "/shop", "1", "ann", Failure(code="invalid_request", message="no"), "prompt"
    )
    for message in messages:
        check(yaml.safe_load(message.body))
    types = {message.event_type for message in messages}
    assert types == {kind for kind in schemas.PAYLOADS if not kind.startswith(STORY)} - {REQUESTED}


def test_every_event_of_a_story_fits_its_schema() -> None:
    waiting = make_story()
    begun = story.begin(waiting, "one", "job-1", 101.0)
    made = story.complete(begun, "one", files("one", "clip"), 102.0)
    done = story.complete(made, "two", files("two", "clip"), 103.0)
    broken = Failure(code="step_failed", message="it is broken")
    pairs = [
        (waiting, begun),
        (begun, made),
        (done, story.complete(done, "film", files("film", "film", "poster"), 104.0)),
        (begun, story.fail(begun, "one", broken, 102.0)),
        (waiting, story.cancel(waiting, 101.0)),
    ]
    announcer = StoryAnnouncer("urn:test", "http://test", sink=True)
    messages = [message for old, new in pairs for message in announcer.transition(old, new)]
    for message in messages:
        check(yaml.safe_load(message.body))
    types = {message.event_type for message in messages}
    assert types == {kind for kind in schemas.PAYLOADS if kind.startswith(STORY)} - {STORY_REQUESTED}
    assert set(INCOMING) == {REQUESTED, STORY_REQUESTED}


def test_a_request_for_a_story_fits_in_both_forms() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/desk", "type": STORY_REQUESTED}
    check(event | {"data": {"scenes": [{"prompt": "a red circle", "narration": "A circle."}]}})
    check(event | {"data": {"steps": {"voice": {"uses": "narrate", "with": {"text": "A circle."}}}}})
    with pytest.raises(ValidationError):
        check(event | {"data": {"scenes": [{"promt": "a red circle"}]}})


def test_a_request_with_a_wrong_field_does_not_fit() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": REQUESTED, "data": {"prompt": "x"}}
    check(event)
    for wrong in ({"prompt": ""}, {"prompt": "x", "zoom": 1}, {}):
        with pytest.raises(ValidationError):
            check(event | {"data": wrong})


def test_asyncapi_refers_only_to_what_there_is() -> None:
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text())
    for message in document["components"]["messages"].values():
        assert (DOCS / message["payload"]["$ref"]).exists()
    for channel in document["channels"].values():
        for reference in channel["messages"].values():
            assert reference["$ref"].rpartition("/")[2] in document["components"]["messages"]
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].rpartition("/")[2] in document["channels"]
