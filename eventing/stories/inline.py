"""Take the files that come inside a request (data:) out of its story, whose folder has them then. Pure.

A story is read and shown often, so its document names such a file by its address in the bucket.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from eventing.contract.records.results import StoredFile
from eventing.domain.story import Story, StoryStep

IN_FOLDER = re.compile(r"^s3://.*/stories/[^/]+/inputs/([0-9a-f]{64})$")


def outside(story: Story, files: Mapping[str, StoredFile]) -> Story:
    """Return the story with the address in the bucket in place of each file that came inside the request."""
    addresses = {inside: file.uri for inside, file in files.items() if inside.startswith("data:")}
    if not addresses:
        return story
    steps = tuple(_step(step, addresses) for step in story.steps)
    return replace(story, document=_replaced(story.document, addresses), steps=steps)


def content_of(address: str) -> str:
    """Return the same text for a file inside a request and for the same one in the folder of a story."""
    if kept := IN_FOLDER.match(address):
        return f"sha256:{kept[1]}"
    if not address.startswith("data:"):
        return address
    try:
        body = base64.b64decode(address.partition(",")[2], validate=True)
    except binascii.Error:  # it is refused when it is fetched
        return address
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _step(step: StoryStep, addresses: Mapping[str, str]) -> StoryStep:
    sources = {name: tuple(addresses.get(each, each) for each in mine) for name, mine in step.sources.items()}
    fetched = {addresses.get(address, address): file for address, file in step.fetched.items()}
    return replace(step, sources=sources, fetched=fetched)


def _replaced(value: Any, addresses: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _replaced(item, addresses) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(item, addresses) for item in value]
    return addresses.get(value, value) if isinstance(value, str) else value
