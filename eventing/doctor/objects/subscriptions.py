"""Tell which Triggers, Brokers and SinkBindings are ours: on the way to our service, or with our label."""

from __future__ import annotations

import json

from eventing.contract.records.events import INCOMING
from eventing.doctor.objects import ours
from eventing.doctor.objects.destinations import Destination, behind, binds, destination
from eventing.doctor.objects.manifests import Manifest, Manifests, dig, near
from eventing.doctor.objects.workloads import predictors

EVENTING = "eventing.knative.dev"
PATHS = ("/events", "/events/dead-letter")


def subscriber(trigger: Manifest) -> Destination:
    """Return where a Trigger sends events."""
    return destination(dig(trigger.spec, "subscriber"), trigger.namespace)


def listens(trigger: Manifest, broker: Manifest) -> bool:
    """Tell whether a Trigger takes its events from a Broker."""
    return dig(trigger.spec, "broker") == broker.name and near(trigger.namespace, broker.namespace)


def triggers(manifests: Manifests) -> list[Manifest]:
    """Return the Triggers into our service or a predictor, those for requests, and those with our label."""
    return [item for item in manifests.kind("Trigger", EVENTING) if _is_our_trigger(manifests, item)]


def brokers(manifests: Manifests) -> list[Manifest]:
    """Return the Brokers with our label, and those that a Trigger of ours listens to."""
    ours_here = triggers(manifests)
    return [
        item
        for item in manifests.kind("Broker", EVENTING)
        if ours.labelled(item) or any(listens(trigger, item) for trigger in ours_here)
    ]


def bindings(manifests: Manifests) -> list[Manifest]:
    """Return the SinkBindings with our label, and those of an eventing Deployment."""
    services = [Destination(item.name, item.namespace, "") for item in ours.eventing(manifests)]
    return [
        item
        for item in manifests.kind("SinkBinding")
        if ours.labelled(item) or any(binds(manifests, item, to) for to in services)
    ]


def leads_to_eventing(manifests: Manifests, to: Destination) -> bool:
    """Tell whether a destination is the eventing service.

    Without its Deployment among the manifests, a name as the chart gives it and one of our paths count.
    """
    deployments = behind(manifests, to)
    if deployments:
        ours_here = ours.eventing(manifests)
        return any(item in ours_here for item in deployments)
    named = to.service == "eventing" or to.service.endswith("-eventing") or ours.NAME in to.service
    return named and to.path in PATHS


def leads_to_predictor(manifests: Manifests, to: Destination) -> bool:
    """Tell whether a destination is one of our predictors, by either of its names."""
    return any(
        to.service in (item.manifest.name, item.address) and near(item.manifest.namespace, to.namespace)
        for item in predictors(manifests)
        if to.service
    )


def _is_our_trigger(manifests: Manifests, trigger: Manifest) -> bool:
    to = subscriber(trigger)
    filters = json.dumps([trigger.spec.get("filter"), trigger.spec.get("filters")], default=str)
    return (
        ours.labelled(trigger)
        or leads_to_eventing(manifests, to)
        or leads_to_predictor(manifests, to)
        or any(kind in filters for kind in INCOMING)
    )
