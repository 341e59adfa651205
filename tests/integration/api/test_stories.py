"""Stories over HTTP: submitted by every way in, followed, changed, fetched; and what bad ones get.

The tests share a service, so each makes stories that no other has made: equal steps would not run again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from eventing.client import AsyncClient
from eventing.contract.records.models import Failure
from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import PATIENCE, Deployment, deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")
NUMBERS = itertools.count(1)


def voice() -> dict[str, Any]:
    """A step that no other story has."""
    return {"uses": "narrate", "with": {"text": f"This is circle {next(NUMBERS)}."}}


def film() -> dict[str, Any]:
    """A story of a video, its speech and the film of both, whose steps no other story has."""
    video = {"prompt": "a red circle moving right", "seed": next(NUMBERS)}
    inputs = {"clips": ["circle.video"], "speech": ["voice.speech"]}
    return {
        "steps": {
            "circle": {"uses": "video", "with": video},
            "voice": voice(),
            "film": {"uses": "film", "inputs": inputs},
        }
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory, bucket: Bucket) -> AsyncIterator[Deployment]:
    """An open deployment for all tests of this file."""
    async with deployment(tmp_path_factory.mktemp("stories"), bucket) as running:
        yield running


async def submitted(service: Deployment, body: Any, **options: Any) -> dict[str, Any]:
    answer, story = await service.call("POST", "/v1/stories", json=body, **options)
    assert answer.status == 202, story
    assert answer.headers["Location"] == f"/v1/stories/{story['id']}"
    return dict(story)


async def events_of(service: Deployment, story_id: str, **headers: str) -> list[tuple[str, Any]]:
    """All events of a story's stream: id and data."""
    async with asyncio.timeout(PATIENCE):
        async with service.http.get(f"{service.url}/v1/stories/{story_id}/events", headers=headers) as answer:
            text = await answer.text()
    fields = [dict(line.partition(": ")[::2] for line in block.splitlines()) for block in text.split("\n\n")]
    assert all(each["event"] == "story" for each in fields if "data" in each)
    return [(each["id"], json.loads(each["data"])) for each in fields if "data" in each]


async def ended(service: Deployment, story_id: str) -> dict[str, Any]:
    return dict((await events_of(service, story_id))[-1][1])


@asynccontextmanager
async def held(service: Deployment, kind: str) -> AsyncIterator[None]:
    """Steps of a type stay in their middle."""
    gate = service.runner.gates[kind] = asyncio.Event()
    service.runner.began = asyncio.Queue()
    try:
        yield
    finally:
        gate.set()
        del service.runner.gates[kind]


async def begun(service: Deployment, kind: str) -> None:
    """Wait until a step of a type runs."""
    async with asyncio.timeout(PATIENCE):
        while await service.runner.began.get() != kind:
            pass


async def test_a_story_becomes_a_film_whose_files_can_be_fetched(service: Deployment) -> None:
    body = film() | {"metadata": {"desk": "sport"}}
    story = await submitted(service, body)
    assert (story["object"], story["request"], story["metadata"]) == ("story", body, {"desk": "sport"})
    done = await ended(service, story["id"])
    assert (done["status"], done["percent"], done["error"]) == ("completed", 100, None), done
    steps = {step["name"]: step for step in done["steps"]}
    assert {name: step["state"] for name, step in steps.items()} == dict.fromkeys(body["steps"], "completed")
    assert sorted(steps["film"]["needs"]) == ["circle", "voice"]
    assert (steps["circle"]["job_id"] is not None, steps["voice"]["job_id"]) == (True, None)

    file = steps["film"]["outputs"]["film"]
    answer, content = await service.call("GET", file["url"])
    assert (answer.status, answer.content_type, len(content)) == (200, "video/mp4", file["bytes"])
    assert answer.headers["Content-Disposition"].endswith(f'{story["id"]}-film-film.mp4"')
    made_of = json.loads(content)
    assert made_of["inputs"]["speech"] == [steps["voice"]["outputs"]["speech"]["sha256"]]
    assert made_of["inputs"]["clips"] == [steps["circle"]["outputs"]["video"]["sha256"]]
    part, some = await service.call("GET", file["url"], headers={"Range": "bytes=2-5"})
    assert (part.status, some, part.headers["Content-Range"]) == (
        206,
        content[2:6],
        f"bytes 2-5/{len(content)}",
    )
    head, nothing = await service.call("HEAD", file["url"])
    assert (head.status, head.headers["ETag"], nothing) == (200, f'"{file["sha256"]}"', b"")

    answer, result = await service.call("GET", f"/v1/stories/{story['id']}/result")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert result["film"]["sha256"] == file["sha256"]
    async with service.http.get(result["film"]["url"]) as presigned:
        assert await presigned.read() == content
    async with service.http.get(result["manifest"]["url"]) as presigned:
        manifest = json.loads(await presigned.read())
    assert [step["name"] for step in manifest["steps"]] == [step["name"] for step in done["steps"]]
    assert result["subtitles"]["content_type"] == "text/vtt"
    assert result["poster"]["content_type"] == "image/jpeg"


async def test_the_stream_shows_each_step_and_is_resumed(service: Deployment) -> None:
    async with held(service, "film"):
        story = await submitted(service, film())
        await begun(service, "film")
        stream = service.http.get(f"{service.url}/v1/stories/{story['id']}/events")
        async with stream as answer, asyncio.timeout(PATIENCE):
            assert answer.content_type == "text/event-stream"
            async for line in answer.content:
                if not line.startswith(b"data: "):
                    continue
                states = {step["name"]: step for step in json.loads(line[6:])["steps"]}
                if states["film"]["percent"] == 45:  # in the middle of its work
                    break
        assert (states["voice"]["state"], states["film"]["state"]) == ("completed", "running")
        assert not states["film"]["queued"]
    events = await events_of(service, story["id"])
    last_id, last = events[-1]
    assert last["status"] == "completed"
    assert last_id not in [event_id for event_id, _ in events[:-1]]
    assert await events_of(service, story["id"], **{"Last-Event-ID": last_id}) == []


async def test_it_is_announced_at_every_place(service: Deployment) -> None:
    hook = f"{service.receiver.url}/hook"
    story = await submitted(service, film() | {"callback_url": hook})
    kinds: list[str] = []
    while not kinds or kinds[-1] != "completed.v1":
        event = (await service.receiver.next("/sink")).json
        if event["subject"] == story["id"]:
            kinds.append(event["type"].removeprefix("dev.reelzero.story."))
            assert event["source"] == "urn:reelzero:test"
            assert event["id"] == f"{story['id']}-{len(kinds)}"
    assert kinds == ["started.v1", *["step.completed.v1"] * 3, "completed.v1"]
    called = await service.receiver.next("/hook")
    assert called.json == event
    assert called.headers["webhook-id"]
    key = f"stories/{story['id']}/event.json"
    async with asyncio.timeout(PATIENCE):
        while (stored := service.service.container.bucket.get(key)) is None:
            await asyncio.sleep(0.05)
    assert json.loads(stored) == event
    assert event["data"]["film"]["uri"].startswith(f"s3://{service.service.container.bucket.name}/stories/")


async def test_an_event_becomes_a_story_once_and_a_wrong_one_is_rejected(service: Deployment) -> None:
    event = {"specversion": "1.0", "type": "dev.reelzero.story.requested.v1", "source": "/desk", "id": "7"}
    headers, body, places = {"Content-Type": "application/cloudevents+json"}, film(), set()
    for _ in range(2):
        answer, _ = await service.call("POST", "/events", json=event | {"data": body}, headers=headers)
        assert answer.status == 202
        places.add(answer.headers["Location"])
    (place,) = places
    assert (await ended(service, place.rpartition("/")[2]))["status"] == "completed"
    wrong = {"steps": body["steps"] | {"film": {"uses": "film", "inputs": {"clips": ["voice.speech"]}}}}
    answer, problem = await service.call(
        "POST", "/events", json=event | {"id": "8", "data": wrong}, headers=headers
    )
    assert (answer.status, problem["field"]) == (422, "steps.film.inputs.clips[0]")
    rejected = await service.receiver.next("/sink", "dev.reelzero.video.rejected.v1")
    assert rejected.json["data"]["field"] == "steps.film.inputs.clips[0]"
    assert rejected.json["data"]["rejected_id"] == "8"


async def test_the_same_key_or_id_is_the_same_story(service: Deployment) -> None:
    headers, body, other = {"Idempotency-Key": "k1"}, film(), {"steps": {"voice": voice()}}
    first = await submitted(service, body, headers=headers)
    answer, again = await service.call("POST", "/v1/stories", json=body, headers=headers)
    assert (answer.status, again["id"]) == (200, first["id"])
    answer, problem = await service.call("POST", "/v1/stories", json=other, headers=headers)
    assert (answer.status, problem["field"]) == (422, "idempotency_key")
    for status in (202, 200):
        answer, story = await service.call("PUT", "/v1/stories/news-7", json=body)
        assert (answer.status, story["id"]) == (status, "news-7")
    answer, problem = await service.call("PUT", "/v1/stories/news-7", json=other)
    assert (answer.status, problem["code"]) == (409, "conflict")
    done = await ended(service, "news-7")
    assert done["steps"][0]["outputs"]["video"]["url"].startswith("/v1/stories/news-7/files/")


async def test_a_dry_run_stores_nothing(service: Deployment) -> None:
    body, before = film(), (await service.call("GET", "/v1/stories?limit=1"))[1]
    answer, plan = await service.call("POST", "/v1/stories?dry_run=true", json=body)
    assert answer.status == 200
    assert {step["name"] for step in plan["steps"]} == body["steps"].keys()
    assert plan["expected_seconds"] > 0
    assert "expected_cost" in plan
    assert (await service.call("GET", "/v1/stories?limit=1"))[1]["data"] == before["data"]


async def test_stories_are_listed_newest_first_by_status(service: Deployment) -> None:
    ids = [(await submitted(service, {"steps": {"voice": voice()}}))["id"] for _ in range(3)]
    for story_id in ids:
        await ended(service, story_id)
    _, first = await service.call("GET", "/v1/stories?limit=2")
    assert ([each["id"] for each in first["data"]], first["has_more"]) == (ids[:0:-1], True)
    _, rest = await service.call("GET", f"/v1/stories?limit=1&after={first['next']}")
    assert [each["id"] for each in rest["data"]] == ids[:1]
    _, others = await service.call("GET", "/v1/stories?status=failed&status=cancelled")
    assert {each["status"] for each in others["data"]} <= {"failed", "cancelled"}


async def test_a_cancel_stops_what_runs_and_a_retry_goes_on_from_there(service: Deployment) -> None:
    before, aborted = len(service.runner.types), len(service.runner.aborted)
    async with held(service, "film"):
        story = await submitted(service, film())
        await begun(service, "film")
        answer, _ = await service.call("POST", f"/v1/stories/{story['id']}/cancel")
        assert answer.status in (200, 202)
        stopped = await ended(service, story["id"])
    assert stopped["status"] == "cancelled"
    states = {step["name"]: step["state"] for step in stopped["steps"]}
    assert states == {"circle": "completed", "voice": "completed", "film": "cancelled"}
    assert len(service.runner.aborted) == aborted + 1
    answer, result = await service.call("GET", f"/v1/stories/{story['id']}/result")
    assert (answer.status, "cancelled" in result["detail"]) == (409, True)
    answer, _ = await service.call("POST", f"/v1/stories/{story['id']}/retry")
    assert answer.status == 202
    assert (await ended(service, story["id"]))["status"] == "completed"
    assert service.runner.types[before:] == ["narrate", "film", "film"]
    answer, problem = await service.call("POST", f"/v1/stories/{story['id']}/retry")
    assert (answer.status, problem["code"]) == (409, "conflict")


async def test_a_failed_step_fails_the_story_with_its_path(service: Deployment) -> None:
    service.runner.failures["film"] = [Failure(code="step_failed", message="the clips do not fit")]
    done = await ended(service, (await submitted(service, film()))["id"])
    assert (done["status"], done["error"]["code"]) == ("failed", "step_failed")
    assert done["error"]["message"] == "steps.film: the clips do not fit"
    answer, problem = await service.call("GET", f"/v1/stories/{done['id']}/result")
    assert (answer.status, "the clips do not fit" in problem["detail"]) == (409, True)


async def test_a_revision_makes_only_what_changed(service: Deployment) -> None:
    first = await ended(service, (await submitted(service, film()))["id"])
    change = {"steps": {"voice": {"with": {"text": "A circle leaves."}}}}
    answer, story = await service.call("POST", f"/v1/stories/{first['id']}/revise", json=change)
    assert (answer.status, story["revised_from"]) == (202, first["id"])
    second = await ended(service, story["id"])
    assert second["id"] != first["id"]
    reused = {step["name"]: step["reused"] for step in second["steps"]}
    assert reused == {"circle": True, "voice": False, "film": False}
    old, new = ({s["name"]: s["outputs"] for s in each["steps"]} for each in (first, second))
    assert new["circle"]["video"]["sha256"] == old["circle"]["video"]["sha256"]
    assert new["voice"]["speech"]["sha256"] != old["voice"]["speech"]["sha256"]
    answer, _ = await service.call("DELETE", f"/v1/stories/{first['id']}")
    assert answer.status == 204
    answer, _ = await service.call("GET", new["circle"]["video"]["url"])
    assert answer.status == 200  # a copy of its own
    answer, _ = await service.call("GET", f"/v1/stories/{first['id']}")
    assert answer.status == 404


async def test_a_story_that_runs_cannot_be_deleted_and_its_files_are_named(service: Deployment) -> None:
    async with held(service, "narrate"):
        story = await submitted(service, {"steps": {"voice": voice()}})
        answer, _ = await service.call("DELETE", f"/v1/stories/{story['id']}")
        assert answer.status == 409
        answer, problem = await service.call("GET", f"/v1/stories/{story['id']}/result")
        assert (answer.status, answer.headers["Retry-After"]) == (409, "5")
        for path, known in (("voice/film", "none yet"), ("film/film", "it has: voice")):
            answer, problem = await service.call("GET", f"/v1/stories/{story['id']}/files/{path}")
            assert (answer.status, known in problem["detail"]) == (404, True)
    assert (await ended(service, story["id"]))["status"] == "completed"


async def test_step_types_are_listed_with_their_schemas(service: Deployment) -> None:
    _, types = await service.call("GET", "/v1/step-types")
    by_name = {each["name"]: each for each in types["data"]}
    assert {"narrate", "film", "fit", "concat"} <= by_name.keys()
    narrate = by_name["narrate"]
    assert narrate["parameters"]["type"] == "object"
    assert narrate["outputs"]["speech"]["media"].startswith("audio/")
    assert {"version", "title", "inputs", "seconds", "gpus"} <= narrate.keys()


WRONG: dict[str, tuple[Any, str]] = {
    "an unknown type": ({"steps": {"voice": {"uses": "sing"}}}, "steps.voice.uses"),
    "an unknown step": (
        {"steps": {"film": {"uses": "film", "inputs": {"clips": ["square.video"]}}}},
        "steps.film.inputs.clips[0]",
    ),
    "a wrong parameter": (
        {"steps": {"voice": {"uses": "narrate", "with": {"text": 7}}}},
        "steps.voice.with.text",
    ),
    "a wrong field of a scene": ({"scenes": [{"prompt": "x"}, {"promt": "x"}]}, "scenes[1].promt"),
    "no webhook": ({"scenes": [{"prompt": "x"}], "callback_url": "ftp://x"}, "callback_url"),
}


@pytest.mark.parametrize("body, field", WRONG.values(), ids=WRONG)
async def test_a_wrong_story_is_refused_with_the_path_of_the_fault(
    service: Deployment, body: Any, field: str
) -> None:
    for path in ("/v1/stories", "/v1/stories?dry_run=true"):
        answer, problem = await service.call("POST", path, json=body)
        assert (answer.status, problem["field"]) == (422, field), problem
        assert problem["detail"].startswith(f"{field}: ")


async def test_unknown_stories_and_dry_runs_elsewhere_are_refused(service: Deployment) -> None:
    calls = [
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/result"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("DELETE", ""),
    ]
    for method, tail in calls:
        answer, problem = await service.call(method, f"/v1/stories/story_none{tail}")
        assert (answer.status, problem["code"]) == (404, "not_found"), (method, tail)
    answer, problem = await service.call("POST", "/v1/stories/story_none/revise", json={"scenes": {}})
    assert (answer.status, problem["code"]) == (404, "not_found")
    answer, problem = await service.call("PUT", "/v1/stories/mine?dry_run=true", json=film())
    assert (answer.status, problem["field"]) == (422, "dry_run")


async def test_the_client_library_makes_follows_and_changes_a_story(
    service: Deployment, tmp_path: Any
) -> None:
    async with AsyncClient(service.url) as client, asyncio.timeout(PATIENCE):
        body = film()
        estimate = await client.stories.estimate(body)
        story = await client.stories.submit(body)
        assert len(estimate.steps) == len(story.steps) == 3
        shown = [each async for each in client.stories.stream(story.id)]
        assert (shown[-1].id, shown[-1].status) == (story.id, "completed")
        file = await client.stories.download(story.id, tmp_path)
        assert file.name == f"{story.id}-film.mp4"
        assert json.loads(file.read_bytes())["step"] == "film"
        assert (await client.stories.result(story.id)).manifest is not None
        change = {"steps": {"voice": {"with": {"text": "A circle leaves."}}}}
        revised = await client.stories.wait((await client.stories.revise(story.id, change)).id)
        assert [step.reused for step in revised.steps if step.name == "circle"] == [True]
        page = await client.stories.page(limit=1)
        assert ([each.id for each in page.data], page.has_more) == ([revised.id], True)
        assert "narrate" in [kind.name for kind in await client.stories.step_types()]
        await client.stories.delete(story.id)
