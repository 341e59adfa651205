"""Bodies within the limits that are meant to cost time, for every way in: strategies for Hypothesis."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from hypothesis import strategies as st

MOST_BYTES = 1 << 20  # the default of REELZERO_MAX_BODY_BYTES
COUNTS = st.sampled_from([1, 20, 600, 4_990, 9_900, 70_000, 500_000])
# Each is repeated with commas between: containers, strings, numbers that are slow to read or to write.
ITEMS = [
    b"1", b'""', b"{}", b"[]", b"null", b'{"a":1}', b'{"a":1,"a":2}', b"1.7976931348623157e308", b"-5e-324",
    b"9" * 300, b"0." + b"7" * 300, b'"\\u00e9\\ud83d\\ude00"', b'"\\\\"', b'"\\""', b'"' + b"a" * 90 + b'"',
    b"[" * 60 + b"]" * 60, b'{"a":' * 60 + b"1" + b"}" * 60,
    b'{"name":"prompt","datatype":"BYTES","shape":[1],"data":["x"]}', b'{"name":"video_uri"}',
    b'{"name":"result","parameters":{"binary_data":true}}',
    b'{"specversion":"1.0","id":"1","source":"/a","type":"t","data":1}',
]  # fmt: skip
CHARACTERS = [
    b"a", b"[", b"{", b",", b":", b" ", b"\n", b"%", b"%41", b"&", b"a&", b"a=&", b"=", b";", b'\\"', b"\\\\",
    b"\\u00e9", b"\\ud83d\\ude00", b"\\ud800", b"\xc3\xa9", b"\xf0\x9f\x8e\xac", b"9", b"-", b"\x00",
    b"\r\n", b"--x",
    b"\r\n--x\r\n", b"\r\n--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n", b"=?utf-8?q?a?=",
]  # fmt: skip


def repeated(token: bytes, count: int, between: bytes = b"") -> bytes:
    """The token so often, or as often as a body has room for it."""
    fitting = min(count, MOST_BYTES // (len(token) + len(between)) - 1)
    return between.join([token] * fitting)


arrays = st.builds(lambda item, n: b"[" + repeated(item, n, b",") + b"]", st.sampled_from(ITEMS), COUNTS)
objects = st.builds(
    lambda value, n: b"{" + b",".join(b'"k%d":%s' % (i, value) for i in range(min(n, 60_000))) + b"}",
    st.sampled_from([b"1", b'"a"', b"[]", b"1e300"]),
    COUNTS,
)
texts = st.builds(repeated, st.sampled_from(CHARACTERS), COUNTS)
strings = texts.map(lambda text: b'"' + text + b'"')
encoded = st.one_of(arrays, objects, texts).map(lambda raw: b'"' + base64.b64encode(raw[:700_000]) + b'"')
hostile = st.one_of(arrays, objects, strings, texts, encoded)


@dataclass(frozen=True)
class Door:
    """A way in: templates of bodies, whose `@` becomes something hostile, and headers, likewise."""

    path: str
    templates: tuple[bytes, ...]
    headers: dict[str, bytes] = field(default_factory=dict)


def json_door(path: str, *templates: bytes, **headers: bytes) -> Door:
    """A door for JSON."""
    return Door(path, (b"@", *templates), {"content-type": b"application/json"} | headers)


EVENT = b'"specversion":"1.0","id":"1","source":"/a","type":"dev.reelzero.video.requested.v1"'
STRUCTURED = (
    b"{%s,\"data\":@}" % EVENT, b"{%s,\"data\":{\"prompt\":@}}" % EVENT, b"{%s,\"data_base64\":@}" % EVENT,
    b"{%s,\"ext\":@}" % EVENT, b"{%s,\"subject\":@}" % EVENT, b"{%s,\"datacontenttype\":@}" % EVENT,
    b'{"specversion":"1.0","id":@,"source":"/a","type":"t"}',
    b'{"specversion":"1.0","id":"1","source":@,"type":"t"}',
)  # fmt: skip
JOB = (
    b'{"prompt":@}',
    b'{"prompt":"x","metadata":@}',
    b'{"prompt":"x","callback_url":@}',
    b'{"prompt":"x","seed":@}',
)
TENSOR = b'{"inputs":[{"name":"prompt","datatype":"BYTES","shape":[1],"data":["x"]}]'
PART = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n'
BINARY = {
    "ce-specversion": b"1.0", "ce-id": b"1", "ce-source": b"/a",
    "ce-type": b"dev.reelzero.video.requested.v1",
}  # fmt: skip
MULTIPART = {"content-type": b"multipart/form-data; boundary=x"}
DOORS = {
    "REST": json_door("/v1/jobs", *JOB),
    "OpenAI": json_door("/v1/videos", *JOB, b'{"prompt":"x","seconds":@}', b'{"prompt":"x","size":@}'),
    "OpenRouter": json_door(
        "/api/v1/videos", *JOB, b'{"prompt":"x","provider":@}', b'{"prompt":"x","frame_images":@}',
        b'{"prompt":"x","aspect_ratio":@}', b'{"prompt":"x","duration":@}', b'{"prompt":"x","resolution":@}',
    ),
    "OpenAI urlencoded": Door(
        "/v1/videos", (b"@", b"prompt=@", b"metadata[@]=1"),
        {"content-type": b"application/x-www-form-urlencoded"}
    ),
    "OpenAI multipart": Door(
        "/v1/videos",
        (b"@", PART + b"@\r\n--x--\r\n",
         b'--x\r\nContent-Disposition: form-data; name="@"\r\n\r\na\r\n--x--\r\n',
         b"--x\r\n@: a\r\n\r\na\r\n--x--\r\n", PART + b"a\r\n--x--\r\n@", b"@" + PART + b"a\r\n--x--\r\n"),
        MULTIPART,
    ),
    "V2": json_door(
        "/v2/models/tiny/infer", b'{"inputs":@}', TENSOR + b',"outputs":@}', TENSOR + b',"parameters":@}',
        TENSOR.replace(b'["x"]', b"@") + b"}", TENSOR.replace(b"[1]", b"@") + b"}", TENSOR + b',"id":@}',
        prefer=b"respond-async",
    ),
    "V2 binary": Door(
        "/v2/models/tiny/infer",
        (b'{"inputs":[{"name":"prompt","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":9}}]}@',),
        {"content-type": b"application/octet-stream", "prefer": b"respond-async",
         "inference-header-content-length": b"97"},
    ),
    "structured": Door("/events", (b"@", *STRUCTURED), {"content-type": b"application/cloudevents+json"}),
    "batch": Door(
        "/events", (b"@", b"[@]", *[b"[" + one + b"]" for one in STRUCTURED]),
        {"content-type": b"application/cloudevents-batch+json"},
    ),
    "binary": Door("/events", (b"@", *JOB), {"content-type": b"application/json"} | BINARY),
    "dead letter": Door(
        "/events/dead-letter", (b"@", *STRUCTURED), {"content-type": b"application/cloudevents+json"}
    ),
    "dead letters": Door(
        "/events/dead-letter", (b"@", *[b"[" + one + b"]" for one in STRUCTURED]),
        {"content-type": b"application/cloudevents-batch+json"},
    ),
    "dead letter in binary": Door(
        "/events/dead-letter", (b"@", *JOB), {"content-type": b"application/json"} | BINARY
    ),
}  # fmt: skip
HEAD_TOKENS = st.sampled_from(
    [b"a", b"%41", b"%", b'\\"', b"\xc3\xa9", b"\xff", b'"', b";", b"a=b;", b"=?utf-8?q?a?="]
)
HEADERS = ["ce-id", "ce-ext", "ce-time", "idempotency-key", "prefer", "traceparent", "content-type"]


@st.composite
def requests(draw: st.DrawFn, door: Door) -> tuple[bytes, dict[str, bytes]]:
    """A body and headers within the limits for a door."""
    body = draw(st.sampled_from(door.templates)).replace(b"@", draw(hostile), 1)
    headers = dict(door.headers)
    if draw(st.integers(0, 3)) == 0:
        value = repeated(draw(HEAD_TOKENS), draw(st.sampled_from([10, 1_000, 60_000])))[: 60 << 10]
        name = draw(st.sampled_from(HEADERS))
        headers[name] = headers.get(name, b"") + b'; x="' + value + b'"' if name == "content-type" else value
    return body[:MOST_BYTES], headers
