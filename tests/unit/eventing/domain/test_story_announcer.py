"""Events of stories: valid CloudEvents, numbered in order, the end to every place that wants it."""

from __future__ import annotations

import json
from itertools import pairwise

from cloudevents.http import from_json

from eventing.contract.records.models import Failure
from eventing.domain import story as state
from eventing.domain.announcer import Message
from eventing.domain.destinations import target_of
from eventing.domain.story import Story
from eventing.domain.story_announcer import StoryAnnouncer
from tests.support.stories import files, make_story

ANNOUNCER = StoryAnnouncer("urn:test", "http://test", sink=True)
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


def whole_story(**changes: object) -> list[Story]:
    """The states of a story in which the first scene is taken from an earlier one."""
    states = [make_story(**changes)]
    states.append(state.reuse(states[-1], "one", files("one", "clip"), 101.0, "print"))
    states.append(state.begin(states[-1], "two", "job-2", 102.0))
    states.append(state.complete(states[-1], "two", files("two", "clip"), 103.0))
    states.append(state.begin(states[-1], "film", "job-3", 104.0))
    made = files("film", "film", "subtitles", "poster")
    states.append(state.complete(states[-1], "film", made, 105.0))
    return states


def announced(states: list[Story]) -> list[Message]:
    """The messages of all changes of a story."""
    return [message for old, new in pairwise(states) for message in ANNOUNCER.transition(old, new)]


def test_a_story_is_announced_from_its_first_step_to_its_end() -> None:
    states = whole_story()
    messages = announced(states)
    to_sink = [json.loads(each.body) for each in messages if each.destination.kind == "sink"]
    assert [event["type"].removeprefix("dev.reelzero.story.") for event in to_sink] == [
        "started.v1", "step.completed.v1", "step.completed.v1", "step.completed.v1", "completed.v1",
    ]  # fmt: skip
    assert [event["id"] for event in to_sink] == [f"story_1-{n}" for n in range(1, 6)]
    sequences = [event["sequence"] for event in to_sink]
    assert sequences == sorted(sequences)
    assert states[-1].sequence == 5
    assert [(event["data"]["step"], event["data"]["reused"]) for event in to_sink[1:4]] == [
        ("one", True), ("two", False), ("film", False),
    ]  # fmt: skip
    assert to_sink[1]["data"]["outputs"]["clip"]["sha256"] == files("one", "clip")["clip"].sha256


def test_the_end_goes_to_the_sink_the_storys_folder_and_the_webhook_with_one_id() -> None:
    messages = announced(whole_story(callback_url="https://example.com/hook"))
    ends = [message for message in messages if message.event_type.endswith("story.completed.v1")]
    assert [target_of(message.destination) for message in ends] == [
        None, "stories/story_1/event.json", "https://example.com/hook",
    ]  # fmt: skip
    assert len({message.event_id for message in ends}) == 1
    assert {message.destination.kind for message in messages if message not in ends} == {"sink"}


def test_the_end_names_the_film_under_the_id_that_the_owner_chose() -> None:
    changes = {"chosen_id": "news-7", "traceparent": TRACE, "metadata": {"desk": "sport"}}
    messages = announced(whole_story(**changes))
    event = from_json(messages[-1].body)
    assert (event["subject"], event["traceparent"]) == ("news-7", TRACE)
    assert event.data["story_id"] == "news-7"
    assert event.data["film"]["uri"].endswith("/film/film")
    assert event.data["subtitles"]["content_type"] == "text/vtt"
    assert event.data["poster"]["content_type"] == "image/jpeg"
    assert event.data["result_url"] == "http://test/v1/stories/news-7/result"
    assert event.data["metadata"] == {"desk": "sport"}
    assert "X-Amz" not in messages[-1].body


def test_several_changes_in_one_write_are_announced_in_order() -> None:
    states = whole_story()
    at_once = ANNOUNCER.transition(states[0], states[-1])
    assert [message.body for message in at_once if message.destination.kind == "s3"] == [
        message.body for message in announced(states) if message.destination.kind == "s3"
    ]
    assert [message.event_id for message in at_once] == [message.event_id for message in announced(states)]


def test_a_failed_step_is_named_in_the_end_and_a_retry_goes_on_with_the_numbers() -> None:
    begun = state.begin(make_story(), "one", "job-1", 101.0)
    failed = state.fail(begun, "one", Failure(code="step_failed", message="it is broken"), 102.0)
    messages = announced([make_story(), begun, failed])
    end = json.loads(messages[-1].body)
    assert (end["type"], end["data"]["status"]) == ("dev.reelzero.story.failed.v1", "failed")
    assert end["data"]["error"]["message"] == "steps.one: it is broken"
    assert (end["data"]["film"], end["data"]["result_url"]) == (None, None)
    assert [each["state"] for each in end["data"]["steps"]] == ["failed", "skipped", "skipped"]
    again = state.begin(state.retry(failed, 103.0), "one", "job-4", 104.0)
    assert ANNOUNCER.transition(failed, again) == []
    made = ANNOUNCER.transition(again, state.complete(again, "one", files("one", "clip"), 105.0))
    assert [(each.event_type, each.event_id) for each in made] == [
        ("dev.reelzero.story.step.completed.v1", "story_1-3")
    ]


def test_a_story_that_is_cancelled_before_it_begins_has_one_event() -> None:
    waiting = make_story()
    messages = ANNOUNCER.transition(waiting, state.cancel(waiting, 101.0))
    assert [each.event_type for each in messages] == ["dev.reelzero.story.cancelled.v1"] * 2


def test_a_step_that_begins_later_has_no_event() -> None:
    begun = state.begin(make_story(), "one", "job-1", 101.0)
    assert ANNOUNCER.transition(begun, state.begin(begun, "two", "job-2", 102.0)) == []


def test_without_a_sink_only_the_end_is_sent() -> None:
    quiet = StoryAnnouncer("urn:test", "http://test", sink=False)
    states = whole_story()
    assert quiet.transition(states[0], states[1]) == []
    messages = quiet.transition(states[-2], states[-1])
    assert [message.destination.kind for message in messages] == ["s3"]
