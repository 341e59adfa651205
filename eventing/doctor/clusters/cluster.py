"""Read a cluster for the doctor: what it needs to see of our objects, and never a Secret."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from eventing.contract.errors import ConfigurationError
from eventing.doctor.clusters.resources import EVERYWHERE, SINGLE, WHERE_OURS, Resource, Single
from eventing.doctor.objects import ours
from eventing.doctor.objects.manifests import Body, Manifest, Manifests
from eventing.doctor.objects.subscriptions import bindings, brokers, triggers
from eventing.doctor.objects.workloads import predictors


class Unreadable(Exception):
    """The cluster does not let us read a kind. The text says why."""


class Source(Protocol):
    """A way to a cluster. Both methods raise Unreadable, or ConfigurationError where nothing can be read.

    A kind that the cluster does not know has no objects.
    """

    async def every(self, resource: Resource, namespace: str | None) -> list[Body]:
        """Return all objects of a kind, of one namespace or of all."""

    async def one(self, resource: Resource, namespace: str, name: str) -> Body | None:
        """Return one object, None if there is none."""


@dataclass(frozen=True)
class Reading:
    """What was read, and what could not be read and why."""

    objects: tuple[Manifest, ...] = ()
    not_read: tuple[str, ...] = ()


async def read(source: Source, namespace: str | None) -> Reading:
    """Read one namespace, or all of them and then more of those that hold something of ours.

    Raises ConfigurationError if nothing can be read.
    """
    first = await _all(_listed(source, resource, namespace) for resource in EVERYWHERE)
    if first.not_read and not first.objects:
        raise ConfigurationError(f"--live: nothing can be read: {'; '.join(first.not_read)}")
    places = sorted({namespace} if namespace else _namespaces(Manifests(first.objects)))
    rest = await _all(
        [_listed(source, resource, place) for place in places for resource in WHERE_OURS]
        + [_single(source, single) for single in SINGLE]
    )
    reading = _joined([first, rest])
    return reading if _namespaces(Manifests(first.objects)) else _without_ours(reading, namespace)


def _namespaces(manifests: Manifests) -> set[str]:
    """Return the namespaces that hold something of ours."""
    own = [item.manifest for item in predictors(manifests)]
    for search in (ours.eventing, triggers, brokers, bindings):
        own += search(manifests)
    return {item.namespace for item in own}


def _without_ours(reading: Reading, namespace: str | None) -> Reading:
    where = f"namespace {namespace}" if namespace else "any namespace"
    note = f"this installation (nothing of reelzero is in {where})"
    return replace(reading, not_read=(*reading.not_read, note))


async def _all(readings: Iterable[Awaitable[Reading]]) -> Reading:
    return _joined(await asyncio.gather(*readings))


def _joined(readings: Iterable[Reading]) -> Reading:
    parts = list(readings)
    objects = {_key(item): item for part in parts for item in part.objects}
    notes = dict.fromkeys(note for part in parts for note in part.not_read)
    return Reading(tuple(objects.values()), tuple(notes))


def _key(item: Manifest) -> tuple[str, str, str, str]:
    return item.group, item.kind, item.namespace, item.name


async def _listed(source: Source, resource: Resource, namespace: str | None) -> Reading:
    try:
        bodies = await source.every(resource, namespace)
    except Unreadable as error:
        return Reading(not_read=(f"{resource} ({error})",))
    return Reading(tuple(_typed(body, resource) for body in bodies))


async def _single(source: Source, single: Single) -> Reading:
    try:
        body = await source.one(single.resource, single.namespace, single.name)
    except Unreadable as error:
        return Reading(not_read=(f"{single.resource} {single.namespace}/{single.name} ({error})",))
    return Reading((_typed(body, single.resource),)) if body else Reading()


def _typed(body: Body, resource: Resource) -> Manifest:
    """Return an object with its kind, which the API leaves out in its lists."""
    return Manifest({"apiVersion": resource.api_version, "kind": resource.kind} | body)
