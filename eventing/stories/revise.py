"""Change the request of a story: the whole, some of its scenes, or some of its steps. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventing.contract.errors import InvalidRequest
from eventing.contract.stories.document import SCENE_LIMIT, StoryRequest
from eventing.contract.stories.parsing import parse_story

Document = Mapping[str, Any]


def revised(document: Document, change: Any) -> StoryRequest:
    """Return the request of the new story.

    `change` is a whole request, or `scenes` by number from 1 and `steps` by name, each with the fields that
    change. `film`, `metadata` and `callback_url` may change too. Null removes a field, a scene or a step; the
    number after the last adds a scene. A body in which every step has `uses` is a whole request.
    Raises InvalidRequest with the path of what is wrong.
    """
    if not isinstance(change, Mapping):
        raise InvalidRequest("body: must be a JSON object")
    if not _is_change(change):
        return parse_story(dict(change))
    rest = {key: value for key, value in change.items() if key != "scenes"}
    merged = merge(document, rest)
    if "scenes" in change:
        merged["scenes"] = _scenes(list(document.get("scenes", ())), change["scenes"])
    return parse_story(merged)


def merge(old: Document, change: Document) -> dict[str, Any]:
    """Return a document with a JSON merge patch (RFC 7386) applied."""
    merged = dict(old)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            before = merged.get(key)
            merged[key] = merge(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def _is_change(change: Document) -> bool:
    """Tell whether a body names what changes, and is not a whole request."""
    scenes, steps = change.get("scenes"), change.get("steps")
    if isinstance(scenes, Mapping):
        return True
    if scenes is not None:
        return False
    if not isinstance(steps, Mapping):
        return True  # only film, metadata or callback_url
    return not all(isinstance(step, Mapping) and "uses" in step for step in steps.values())


def _scenes(scenes: list[Any], changes: Document) -> list[Any]:
    """Return the scenes with those changed that are named by their number."""
    if not scenes:
        raise InvalidRequest("scenes: this story has steps and no scenes; change its steps", field="scenes")
    numbered: dict[int, Any] = dict(enumerate(scenes, 1))
    for key, change in changes.items():
        number = _number(key, len(numbered))
        if change is not None and not isinstance(change, Mapping):
            raise InvalidRequest(f"scenes.{key}: must be a JSON object, or null", field=f"scenes.{key}")
        numbered[number] = None if change is None else merge(numbered.get(number) or {}, change)
    return [scene for _, scene in sorted(numbered.items()) if scene is not None]


def _number(key: str, last: int) -> int:
    if key.isascii() and key.isdigit() and 1 <= int(key[:9]) <= min(last + 1, SCENE_LIMIT):
        return int(key)
    raise InvalidRequest(f"scenes.{key}: must be the number of a scene, 1 to {last}", field=f"scenes.{key}")
