"""Where events go and who sends them, however a manifest says it: by reference, by address, by labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eventing.doctor.manifests import Body, Manifest, Manifests, dig, items, near, section, service_at


@dataclass(frozen=True)
class Destination:
    """A Service and a path on it; outside the cluster no Service, and the path is the whole address."""

    service: str
    namespace: str
    path: str

    def same(self, other: Destination) -> bool:
        """Whether both lead to one place; a namespace that is left open may be any."""
        alike = (self.service, self.path) == (other.service, other.path)
        return alike and near(self.namespace, other.namespace)


def destination(given: Any, home: str) -> Destination:
    """What a subscriber or a sink of an object in the namespace `home` means."""
    ref, uri = section(given, "ref"), str(dig(given, "uri") or "")
    if ref.get("name"):
        return Destination(str(ref["name"]), str(ref.get("namespace") or home), "/" + uri.lstrip("/"))
    name, namespace = service_at(uri)
    if not name:
        return Destination("", "", uri)
    return Destination(name, namespace or home, "/" + uri.partition("://")[2].partition("/")[2])


def behind(manifests: Manifests, to: Destination) -> list[Manifest]:
    """The Deployments a Service leads to; one of its own name counts where the Service is not at hand."""
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
    """Whether a SinkBinding gives its sink to what is behind a Service."""
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
    """Whether a label selector takes an object with these labels."""
    wanted = section(selector, "matchLabels")
    return wanted.items() <= labels.items() and all(
        _meets(expression, labels) for expression in items(selector, "matchExpressions")
    )


def _meets(expression: Body, labels: Body) -> bool:
    there, values = str(expression.get("key")) in labels, expression.get("values")
    among = there and isinstance(values, list) and labels[str(expression.get("key"))] in values
    answers = {"In": among, "NotIn": not among, "Exists": there, "DoesNotExist": not there}
    return answers.get(str(expression.get("operator")), True)  # an unknown one is taken to be met
