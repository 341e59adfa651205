"""Resolve destinations of events and subjects of bindings: by reference, by address, by labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eventing.doctor.objects.manifests import Body, Manifest, Manifests, dig, items, near, section, service_at


@dataclass(frozen=True)
class Destination:
    """A Service and a path on it. Outside the cluster `service` is empty and `path` is the whole URL."""

    service: str
    namespace: str
    path: str

    def same(self, other: Destination) -> bool:
        """Tell whether both are the same destination; an empty namespace matches any."""
        alike = (self.service, self.path) == (other.service, other.path)
        return alike and near(self.namespace, other.namespace)


def destination(reference: Any, home: str) -> Destination:
    """Resolve the subscriber or sink of an object in the namespace `home`."""
    ref, uri = section(reference, "ref"), str(dig(reference, "uri") or "")
    if ref.get("name"):
        return Destination(str(ref["name"]), str(ref.get("namespace") or home), "/" + uri.lstrip("/"))
    name, namespace = service_at(uri)
    if not name:
        return Destination("", "", uri)
    return Destination(name, namespace or home, "/" + uri.partition("://")[2].partition("/")[2])


def behind(manifests: Manifests, to: Destination) -> list[Manifest]:
    """Return the Deployments behind a Service. One of the same name counts if the Service is not here."""
    selectors = [
        section(item.spec, "selector")
        for item in manifests.kind("Service", "")
        if item.name == to.service and near(item.namespace, to.namespace)
    ]
    return [
        item
        for item in manifests.kind("Deployment")
        if near(item.namespace, to.namespace)
        and (item.name == to.service or any(_leads_to(selector, item) for selector in selectors))
    ]


def _leads_to(selector: Body, deployment: Manifest) -> bool:
    labels = section(deployment.spec, "template", "metadata", "labels")
    return bool(selector) and selector.items() <= labels.items()


def binds(manifests: Manifests, binding: Manifest, to: Destination) -> bool:
    """Tell whether a SinkBinding sets the sink of the Deployments behind a Service."""
    subject, deployments = section(binding.spec, "subject"), behind(manifests, to)
    if not near(binding.namespace, to.namespace):
        return False
    if subject.get("name"):
        return str(subject["name"]) in {to.service, *(item.name for item in deployments)}
    selector = section(subject, "selector")
    return bool(selector) and any(
        selects(selector, section(item.body, "metadata", "labels")) for item in deployments
    )


def selects(selector: Body, labels: Body) -> bool:
    """Tell whether a label selector matches these labels."""
    required = section(selector, "matchLabels")
    return required.items() <= labels.items() and all(
        _meets(expression, labels) for expression in items(selector, "matchExpressions")
    )


def _meets(expression: Body, labels: Body) -> bool:
    there, values = str(expression.get("key")) in labels, expression.get("values")
    among = there and isinstance(values, list) and labels[str(expression.get("key"))] in values
    answers = {"In": among, "NotIn": not among, "Exists": there, "DoesNotExist": not there}
    return answers.get(str(expression.get("operator")), True)  # an unknown operator counts as met
