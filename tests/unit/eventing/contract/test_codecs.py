"""The codecs of CloudEvents and V2, fuzzed: what they cannot read is refused, and never breaks them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventing.contract import v2
from eventing.contract.codecs import cloudevent, strictjson
from eventing.contract.errors import MalformedRequest, ReelzeroError, UnsupportedMedia
from eventing.contract.http import media_types
from eventing.contract.records.models import JobRequest
from eventing.testing import fake_result
from tests.support.builders import make_job

# No deadline: how long an example takes says nothing here.
fuzz = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
LENGTH = "inference-header-content-length"
REFUSALS = {400, 415, 422}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40)
MEDIA = st.sampled_from(
    ["", "application/json", "text/xml", ";;=", cloudevent.STRUCTURED, cloudevent.BATCH,
     "application/json; charset=utf-16", "application/json; charset=\x00", "application/cloudevents+xml"]
)  # fmt: skip


T = TypeVar("T")


def refuses_or_reads(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except ReelzeroError as error:
        assert error.status in REFUSALS, error
        return None


@fuzz
@given(body=st.binary(max_size=200), media=MEDIA, headers=st.dictionaries(
    st.sampled_from(["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-extension"]),
    st.text(st.characters(max_codepoint=255), max_size=20)))  # fmt: skip
def test_any_bytes_as_an_event(body: bytes, media: str, headers: dict[str, str]) -> None:
    refuses_or_reads(lambda: cloudevent.decode(body, headers | {"content-type": media}))


@fuzz
@given(
    item=st.dictionaries(
        st.sampled_from(["specversion", "id", "source", "type", "data", "data_base64", "datacontenttype"]),
        ANY_JSON,
    ),
    complete=st.booleans(),
    media=MEDIA,
)
def test_any_json_as_an_event(item: dict[str, Any], complete: bool, media: str) -> None:
    known = {"specversion": "1.0", "id": "1", "source": "/a", "type": "t"} if complete else {}
    body = json.dumps(item | known).encode()
    events = refuses_or_reads(lambda: cloudevent.decode(body, {"content-type": cloudevent.STRUCTURED})) or []
    for event in events:
        json.dumps(cloudevent.to_json(event), ensure_ascii=False, allow_nan=False).encode()
        refuses_or_reads(partial(cloudevent.json_data, event))
    refuses_or_reads(lambda: cloudevent.decode(json.dumps([item]).encode(), {"content-type": media}))


CHARSETS = ["utf-8", "UTF8", "utf-16", "UTF-16LE", "utf-16be", "utf-32", "US-ASCII", "ISO-8859-1", "latin1"]


@pytest.mark.parametrize("charset", CHARSETS)
def test_charsets_of_the_web_are_read(charset: str) -> None:
    assert strictjson.loads('{"a": "b"}'.encode(charset), charset) == {"a": "b"}


@pytest.mark.parametrize("charset", ["punycode", "utf-7", "idna", "cp037", "unicode_escape", "rot13", "\x00"])
def test_other_codecs_are_refused_unread(charset: str) -> None:
    with pytest.raises(UnsupportedMedia, match="is not read here") as refused:
        strictjson.loads(b"a" * 1_000_000, charset)
    assert refused.value.field == "content-type"


@pytest.mark.parametrize("end", [';"' + ";" * 1_000_000, "; a=b" * 200_000, " " * 1_000_000])
def test_an_endless_media_type_is_not_read_to_its_end(end: str) -> None:
    """Python needs the square of its length for some; the attribute is as long as a body may be."""
    assert media_types.parse("application/json" + end) == ("application/json", "utf-8")


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_finite_are_refused(number: str) -> None:
    with pytest.raises(MalformedRequest, match="not finite") as refused:
        strictjson.loads(f'{{"a": 1, "b": [{number}]}}'.encode())
    assert refused.value.field == "b"


def nested(levels: int, leaf: str = "") -> str:
    return "[" * levels + leaf + "]" * levels


@pytest.mark.parametrize("leaf", ["", "1"])
def test_nesting_ends_at_64_levels(leaf: str) -> None:
    strictjson.loads(nested(64, leaf).encode())
    for levels in (65, 300, 900):
        with pytest.raises(MalformedRequest, match="64 levels") as refused:
            strictjson.loads(f'{{"a": 1, "b": {nested(levels - 1, leaf)}}}'.encode())
        assert refused.value.field == "b"
    with pytest.raises(MalformedRequest):
        strictjson.loads(nested(100_000, leaf).encode())


UNFIT = {"deep": nested(100), "not finite": "[1e400]", "half a pair": '"\\ud800"'}


@pytest.mark.parametrize("data", UNFIT.values(), ids=UNFIT)
def test_data_that_cannot_be_stored_is_carried_as_bytes(data: Any) -> None:
    whole = f'{{"specversion": "1.0", "id": "1", "source": "/a", "type": "t", "data": {data}}}'.encode()
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/a", "ce-type": "t"}
    (structured,) = cloudevent.decode(whole, {"content-type": cloudevent.STRUCTURED})
    (batched,) = cloudevent.decode(b"[" + whole + b"]", {"content-type": cloudevent.BATCH})
    (binary,) = cloudevent.decode(data.encode(), headers)
    assert binary.data == data.encode()
    for event in (structured, batched, binary):
        assert isinstance(event.data, bytes) and "data_base64" in cloudevent.to_json(event)
        with pytest.raises(MalformedRequest):
            cloudevent.json_data(event)


@fuzz
@given(id=TEXT, source=TEXT, subject=TEXT, data=st.dictionaries(TEXT, TEXT, max_size=3))
def test_what_is_sent_in_binary_mode_is_read_back(id: str, source: str, subject: str, data: Any) -> None:
    event = {"specversion": "1.0", "id": id, "source": source, "type": "t", "subject": subject, "data": data}
    headers, body = cloudevent.encode_binary(event)
    assert all(value.isascii() for value in headers.values())
    (back,) = cloudevent.decode(body, headers)
    assert (back["id"], back["source"], back["subject"], back.data) == (id, source, subject, data)


@fuzz
@given(body=st.binary(max_size=200), length=st.none() | st.text(max_size=5) | st.integers(0, 250).map(str))
def test_any_bytes_as_an_inference(body: bytes, length: str) -> None:
    refuses_or_reads(lambda: v2.decode(body, {} if length is None else {LENGTH: length}))


@pytest.mark.parametrize("length", ["9" * 5000, "0" * 5000, "²", "-1", "1.0", "", "9"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    with pytest.raises(MalformedRequest, match="Inference-Header-Content-Length"):
        v2.decode(b"{}", {LENGTH: length})


@fuzz
@given(
    value=ANY_JSON, datatype=st.sampled_from([*v2.FORMATS, "BYTES", "X"]),
    name=st.sampled_from([*v2.INPUTS, "x"]),
    shape=ANY_JSON, size=st.none() | st.integers(-1, 20), tail=st.binary(max_size=16), outputs=ANY_JSON,
)  # fmt: skip
def test_any_tensor(
    value: Any, datatype: str, name: str, shape: Any, size: int | None, tail: bytes, outputs: Any
) -> None:
    tensor = {"name": name, "datatype": datatype, "shape": shape, "data": value}
    tensor |= {"parameters": {"binary_data_size": size}} if size is not None else {}
    tensor |= {"shape": [1]} if isinstance(shape, bool | None) else {}
    head = json.dumps({"inputs": [tensor], "outputs": outputs}).encode()
    refuses_or_reads(lambda: v2.decode(head + tail, {LENGTH: str(len(head))}))


@fuzz
@given(
    st.text(st.characters(codec="utf-8")),
    st.integers(0, 2**32 - 1),
    st.sets(st.sampled_from([*v2.STORED_OUTPUTS])),
)
def test_binary_tensors_are_read_as_they_were_meant_and_outputs_written_so(
    prompt: str, seed: int, binary: set[str]
) -> None:
    raw = [struct.pack("<I", len(prompt.encode())) + prompt.encode(), struct.pack("<q", seed)]
    names = (("prompt", "BYTES"), ("seed", "INT64"))
    inputs = [
        {"name": name, "datatype": kind, "shape": [1], "parameters": {"binary_data_size": len(data)}}
        for (name, kind), data in zip(names, raw, strict=True)
    ]
    outputs = [{"name": name, "parameters": {"binary_data": name in binary}} for name in v2.STORED_OUTPUTS]
    head = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    request = v2.decode(head + b"".join(raw), {LENGTH: str(len(head))})
    assert request.fields == {"prompt": prompt, "seed": seed} and request.binary == binary
    job = make_job()
    result = fake_result(job.video, job.id, 1, None)
    body, headers = v2.encode(request, "tiny", "1", result)
    length = int(headers[LENGTH]) if LENGTH in headers else None
    assert (length is None) == (not binary)
    answer = json.loads(body[:length])
    rest = body[length:] if length else b""
    for output in answer["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        value, rest = (output["data"][0], rest) if size is None else (read(output, rest[:size]), rest[size:])
        assert value == v2.output_values(result)[output["name"]]
    assert rest == b""


def read(output: dict[str, Any], raw: bytes) -> Any:
    return struct.unpack("<q", raw)[0] if output["datatype"] == "INT64" else raw[4:].decode()


def test_the_fields_of_v2_are_those_of_a_request() -> None:
    assert set(v2.INPUTS) <= set(JobRequest.model_fields)
