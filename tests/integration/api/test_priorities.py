"""The priority of a job goes as far as the caller's key, in every way in; the job shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from eventing.contract.env import read
from eventing.contract.errors import ConfigurationError
from eventing.settings import Settings
from tests.integration.api.deployment import Deployment
from tests.integration.api.test_cloudevents import STRUCTURED, event

REQUEST = {"prompt": "a red circle", "seed": 7, "priority": 2}


async def test_a_key_says_how_urgent_its_jobs_may_be(public: Deployment) -> None:
    keys = public.service.container.keys
    plain, urgent = await keys.create("ann"), await keys.create("ann", max_priority=2)
    answer, body = await _post(public, plain, REQUEST)
    assert (answer.status, body["field"]) == (422, "priority") and "0 at most" in body["detail"]
    answer, body = await _post(public, urgent, REQUEST)
    assert (answer.status, body["priority"]) == (202, 2)
    answer, body = await _post(public, urgent, REQUEST | {"priority": 3})
    assert (answer.status, body["field"]) == (422, "priority")


async def test_an_event_is_as_urgent_as_its_key_allows(public: Deployment) -> None:
    keys = public.service.container.keys
    for key, status in ((await keys.create("ann"), 422), (await keys.create("ann", max_priority=3), 202)):
        sent = {
            "data": json.dumps(event(id=f"e{status}", data=REQUEST)),
            "headers": _headers(key) | STRUCTURED,
        }
        answer, _ = await public.call("POST", "/events", **sent)
        assert answer.status == status


@pytest.mark.parametrize("weights", ["ann", "ann=0", "ann=101", "ann=1.5", "=3"])
def test_a_weight_that_is_none_names_its_setting(weights: str) -> None:
    with pytest.raises(ConfigurationError, match="owner=weight"):
        read(Settings, owner_weights=weights)


def _headers(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


async def _post(service: Deployment, key: str, body: dict[str, Any]) -> tuple[Any, Any]:
    return await service.call("POST", "/v1/jobs", data=json.dumps(body), headers=_headers(key))
