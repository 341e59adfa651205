"""Define the destinations of outgoing messages. Each kind has the address that it needs and no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Kind = Literal["sink", "s3", "webhook"]


@dataclass(frozen=True)
class Sink:
    """The configured sink. Its URL is a setting, so the message carries none."""

    kind: ClassVar[Kind] = "sink"


@dataclass(frozen=True)
class S3Object:
    """One object in the bucket."""

    kind: ClassVar[Kind] = "s3"
    key: str


@dataclass(frozen=True)
class Webhook:
    """The callback URL of one job."""

    kind: ClassVar[Kind] = "webhook"
    url: str


Destination = Sink | S3Object | Webhook


def target_of(destination: Destination) -> str | None:
    """Return the key or the URL; None for the sink."""
    match destination:
        case S3Object(key):
            return key
        case Webhook(url):
            return url
        case Sink():
            return None


def destination(kind: str, target: str | None) -> Destination:
    """Return the destination of this kind. Raises ValueError if it needs a target and has none."""
    match kind, target:
        case "sink", _:
            return Sink()
        case "s3", str(key) if key:
            return S3Object(key)
        case "webhook", str(url) if url:
            return Webhook(url)
    raise ValueError(f"a message to {kind!r} cannot have the target {target!r}")
