"""Text in CloudEvents: the same event in every mode, every character that is allowed, and no other."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from eventing.contract.storage.s3 import Bucket
from tests.integration.api.deployment import Deployment, deployment
from tests.integration.api.test_cloudevents import BATCH, DATA, STRUCTURED, binary, event, send

# Joiners, a no-break space, private use, characters newer than Python 3.11's table, quotes and percents.
IDS = {
    "letters": "Zürich-視頻-🎬", "joiner": "a\u200db\u200c", "no-break space": "a\u00a0b",
    "only a no-break space": "\u00a0", "private use": "\ue000\U0010fffd", "unassigned": "\U0001fae9\u0378",
    "percent": "100%", "quotes": 'say "hi"', "backslash": "a\\b", "percent-encoded": "a%20b",
}  # fmt: skip
FORBIDDEN = {
    "newline": "a\nb", "tab": "a\tb", "delete": "a\x7f", "C1": "a\x85b", "noncharacter": "a\ufdd0",
    "end of a plane": "a\U0001ffff", "half of a pair": "a\ud800",
}  # fmt: skip


async def raw_binary(service: Deployment, headers: dict[str, bytes]) -> str:
    """Post an event over a plain socket, its headers byte for byte; return the Location."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.service.port)
    body = json.dumps(DATA).encode()
    lines = [b"POST /events HTTP/1.1", b"Host: localhost", b"Connection: close"]
    lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    lines += [name.encode() + b": " + value for name, value in headers.items()]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
    answer = await reader.read()
    writer.close()
    assert b" 202 " in answer.splitlines()[0], answer
    return next(line for line in answer.decode().split("\r\n") if line.lower().startswith("location"))


@pytest.mark.parametrize("text", IDS.values(), ids=IDS)
async def test_an_id_is_the_same_event_in_every_mode(service: Deployment, text: str) -> None:
    whole = event(id=text, source="/" + text)
    answer, problem = await send(service, whole, STRUCTURED)
    assert answer.status == 202, problem
    location = "location: " + answer.headers["Location"]
    encoded = {f"ce-{name}": quote(str(value), safe="") for name, value in whole.items()}
    forms = [{name: value.encode() for name, value in encoded.items()}]
    if "%" not in text and text.strip() and '"' not in text:  # what SDKs send that encode nothing
        forms.append(forms[0] | {f"ce-{name}": whole[name].encode() for name in ("id", "source")})
    for form in forms:
        headers = {k: v for k, v in form.items() if k not in ("ce-data", "ce-datacontenttype")}
        assert (await raw_binary(service, headers)).lower() == location.lower()
    answer, _ = await send(service, [whole], BATCH)
    assert answer.status == 202
    _, page = await service.call("GET", "/v1/jobs")
    assert len(page["data"]) == 1


@pytest.mark.parametrize("text", FORBIDDEN.values(), ids=FORBIDDEN)
@pytest.mark.parametrize("name", ["id", "source", "comexample"])
async def test_a_forbidden_character_is_refused_and_kept_as_a_dead_letter(
    service: Deployment, name: str, text: str
) -> None:
    whole = json.dumps(event(**{name: text})).encode()
    answer, problem = await send(service, whole, STRUCTURED)
    assert (answer.status, problem["field"]) == (400, name)
    answer, _ = await service.call("POST", "/events/dead-letter", data=whole, headers=STRUCTURED)
    assert answer.status == 202
    _, page = await service.call("GET", "/v1/dead-letters")
    (kept,) = page["data"]
    assert kept["event"][name] == text.replace("\ud800", "\ufffd")


REFUSED = {
    "long id": event(id="x" * 300), "old version": event(specversion="0.3"), "NUL": event(id="a\x00b"),
    "no version": event(specversion=None), "no type": event(type=None), "type is a number": event(type=5),
    "data twice": event(data_base64="e30="),
    "broken base64": event(data=None, data_base64="%%%"), "time that is a number": event(time=5),
    "trace that is a list": event(traceparent=["x"]),
}  # fmt: skip


@pytest.mark.parametrize("whole", REFUSED.values(), ids=REFUSED)
async def test_the_dead_letter_door_keeps_what_the_ingress_refuses(
    tmp_path: Path, bucket: Bucket, database_url: str, whole: dict[str, Any]
) -> None:
    async with deployment(tmp_path, bucket, database_url=database_url) as service:
        assert (await send(service, whole, STRUCTURED))[0].status == 400
        for _ in range(2):
            answer, problem = await service.call(
                "POST", "/events/dead-letter", data=json.dumps(whole), headers=STRUCTURED
            )
            assert answer.status == 202, problem
        _, page = await service.call("GET", "/v1/dead-letters")
        (kept,) = page["data"]
        assert {name: kept["event"].get(name) for name in ("id", "type", "time")} == {
            name: whole.get(name) for name in ("id", "type", "time")
        }


async def test_bytes_that_are_no_utf8_are_refused_naming_the_attribute_and_kept(service: Deployment) -> None:
    headers = {"Content-Type": "application/json"} | binary(id="a%FF")
    answer, problem = await send(service, DATA, headers)
    assert (answer.status, problem["field"]) == (400, "id")
    answer, _ = await service.call("POST", "/events/dead-letter", json=DATA, headers=headers)
    assert answer.status == 202


async def test_extensions_keep_their_types_in_a_dead_letter(service: Deployment) -> None:
    extensions = {"comint": 5, "combool": True, "comtext": "5", "comobject": {"a": [1.5]}}
    whole = json.dumps(event(**extensions))
    answer, _ = await service.call("POST", "/events/dead-letter", data=whole, headers=STRUCTURED)
    assert answer.status == 202
    _, page = await service.call("GET", "/v1/dead-letters")
    kept = page["data"][0]["event"]
    assert {name: kept[name] for name in extensions} == extensions
    assert type(kept["combool"]) is bool


WRONG: dict[str, Any] = {
    "a long id": event(id="x" * 300), "no id": event(id=None), "a number": 5, "a list": [], "null": None,
    "an id that is an object": event(id={}), "a source that is a list": event(source=[]),
    "another version": event(specversion="0.3"), "broken base64": event(data=None, data_base64="%%%"),
    "a control character": event(source="/\x07"), "half of a pair": event(id="\ud800"),
    "a trace that is a number": event(traceparent=5), "a type of data": event(datacontenttype=5),
    "not finite": event(data={"prompt": float("inf")}), "deep": event(data={"prompt": [[[]]] * 3}),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_one_wrong_event_never_refuses_its_batch(service: Deployment, wrong: Any) -> None:
    good = [event(id=name, data={"prompt": name}) for name in ("first", "last")]
    answer, problem = await send(service, [good[0], wrong, good[1]], BATCH)
    assert answer.status in (400, 422), problem
    _, page = await service.call("GET", "/v1/jobs?order=asc")
    assert [job["request"]["prompt"] for job in page["data"]] == ["first", "last"]


async def test_a_wrong_event_with_a_source_and_id_is_announced(service: Deployment) -> None:
    await send(service, event(specversion="0.3"), STRUCTURED)
    rejected = (await service.receiver.next("/sink", "dev.reelzero.video.rejected.v1")).json
    assert (rejected["data"]["rejected_id"], rejected["data"]["field"]) == ("A234-1234-1234", "specversion")


async def test_an_event_nobody_may_send_does_not_refuse_its_batch(tmp_path: Path, bucket: Bucket) -> None:
    async with deployment(tmp_path, bucket, auth="required", trusted_sources="/mycontext=ann") as service:
        answer, _ = await send(service, [event(source="/other"), event()], BATCH)
        assert answer.status == 401
        ann = {"Authorization": f"Bearer {await service.service.container.keys.create('ann')}"}
        _, page = await service.call("GET", "/v1/jobs", headers=ann)
        assert len(page["data"]) == 1
        answer, problem = await send(service, [event(source=None)], BATCH)
        assert (answer.status, problem["field"]) == (400, "source")
