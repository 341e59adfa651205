"""Verify the signature of a webhook, and read its CloudEvent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from eventing.contract.errors import MalformedRequest, Unauthorized


class Delivered(BaseModel):
    """The event that a webhook brings: a CloudEvent, whose `subject` is the id of the job."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    type: str
    source: str = ""
    subject: str | None = None
    data: dict[str, Any] = {}


def verify_webhook(body: bytes, headers: Mapping[str, str], secret: str) -> Delivered:
    """Return the event of a webhook. `secret` starts with `whsec_`.

    Raises Unauthorized if the signature is not that of the secret, or older than five minutes, and
    MalformedRequest for a body that is no CloudEvent.
    """
    try:
        Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
    except json.JSONDecodeError as error:  # the library reads the body once its signature is right
        raise MalformedRequest("the webhook's body is not JSON") from error
    except (WebhookVerificationError, ValueError) as error:
        raise Unauthorized(f"the webhook's signature is not valid: {error}") from error
    try:
        return Delivered.model_validate(_event(body, headers))
    except (ValueError, ValidationError) as error:
        raise MalformedRequest("the webhook's body is not a CloudEvent") from error


def _event(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes and data of an event in structured mode, or in binary mode by its headers."""
    content = json.loads(body)
    if not isinstance(content, dict):
        raise MalformedRequest("the webhook's body is not a CloudEvent")
    attributes = {
        name.lower().removeprefix("ce-"): value
        for name, value in headers.items()
        if name.lower().startswith("ce-")
    }
    return {**attributes, "data": content} if attributes else content
